"""`kaggle:owner/name` against a real server on this machine."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from data_samples import CLASSES, TRAIN, class_files, write_files, write_zip
from http_server import Server
from source_contract import SourceContract

from eyas.core.errors import ConfigError, DataError
from eyas.core.schema import DataConfig
from eyas.data import fetch, open_dataset

pytestmark = pytest.mark.usefixtures("quiet_environment")


class TestKaggle(SourceContract):
    @pytest.fixture
    def spec(self, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
        archive = write_zip(tmp_path / "kaggle.zip", class_files())
        server.files["/api/v1/datasets/download/ann/samples"] = archive.read_bytes()
        monkeypatch.setenv("KAGGLE_API_ENDPOINT", server.url)
        return "kaggle:ann/samples"


@pytest.fixture
def kaggle(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    archive = write_zip(tmp_path / "kaggle.zip", class_files({"all": TRAIN}))
    server.files["/api/v1/datasets/download/ann/digits"] = archive.read_bytes()
    monkeypatch.setenv("KAGGLE_API_ENDPOINT", server.url)
    return server


BASIC = "Basic " + base64.b64encode(b"ann:key").decode()


def test_kaggle_set(kaggle: Server) -> None:
    dataset = open_dataset(DataConfig(source="kaggle:ann/digits"))
    assert (dataset.name, dataset.classes) == ("ann-digits", CLASSES)
    open_dataset(DataConfig(source="kaggle:ann/digits"))
    assert len(kaggle.requests) == 1
    assert "Authorization" not in kaggle.requests[0][1]


@pytest.mark.parametrize("where", ["variables", "file", "token"])
def test_kaggle_credentials(kaggle: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str) -> None:
    if where == "variables":
        monkeypatch.setenv("KAGGLE_USERNAME", "ann")
        monkeypatch.setenv("KAGGLE_KEY", "key")
    elif where == "token":
        monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
    else:
        content = json.dumps({"username": "ann", "key": "key"}).encode()
        write_files(tmp_path / "home", {".kaggle/kaggle.json": content})
    fetch("kaggle:ann/digits")
    assert kaggle.requests[0][1]["Authorization"] == ("Bearer secret" if where == "token" else BASIC)


def test_kaggle_credentials_stay_with_kaggle(
    kaggle: Server, other_host: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
    path = "/api/v1/datasets/download/ann/digits"
    kaggle.redirects[path] = f"{other_host.url}/storage"
    other_host.files["/storage"], other_host.cuts = kaggle.files[path], [1000]
    fetch("kaggle:ann/digits")
    assert all(headers["Authorization"] == "Bearer secret" for _, headers in kaggle.requests)
    assert len(other_host.requests) == 2
    assert all("secret" not in str(headers) for _, headers in other_host.requests)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "does not know these credentials; give KAGGLE_API_TOKEN"),
        (403, "accept the data set's terms"),
        (404, "no such data set on Kaggle"),
    ],
)
def test_kaggle_refuses(kaggle: Server, status: int, message: str) -> None:
    kaggle.statuses = [status]
    with pytest.raises(DataError, match=message):
        fetch("kaggle:ann/digits")
    assert len(kaggle.requests) == 1


@pytest.mark.parametrize("spec", ["kaggle:ann", "kaggle:../up", "kaggle:a/b/c", "kaggle:a/.."])
def test_kaggle_reference(spec: str) -> None:
    with pytest.raises(ConfigError, match="a Kaggle data set is kaggle:owner/name"):
        fetch(spec)


def test_kaggle_file_without_key(kaggle: Server, tmp_path: Path) -> None:
    write_files(tmp_path / "home", {".kaggle/kaggle.json": b'{"username": "ann"}'})
    with pytest.raises(ConfigError, match=r"kaggle.json must hold a JSON object with username and key"):
        fetch("kaggle:ann/digits")
