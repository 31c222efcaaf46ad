"""Downloads against a real server on this machine: cut, resumed, wrong, refused, redirected."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from data_samples import fail_with, idx_files, write_files, write_zip
from http_server import Server

from eyas.core.errors import ConfigError, DataError
from eyas.core.schema import DataConfig
from eyas.data import fetch, open_dataset
from eyas.data.sources import download as downloads
from eyas.data.sources import named
from eyas.data.sources.download import download

CONTENT = bytes(range(256)) * 4000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()

pytestmark = pytest.mark.usefixtures("quiet_environment")


def test_whole_file(server: Server, tmp_path: Path) -> None:
    server.files["/a"] = CONTENT
    assert download([f"{server.url}/a"], tmp_path / "a", md5=MD5).read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["a"]


def test_resumed_where_it_was_cut(server: Server, tmp_path: Path) -> None:
    server.files["/a"], server.cuts = CONTENT, [300_000, 500_000]
    assert download([f"{server.url}/a"], tmp_path / "a", md5=MD5).read_bytes() == CONTENT
    assert [headers.get("Range") for _, headers in server.requests] == [None, "bytes=300000-", "bytes=800000-"]


def test_another_run_resumes(server: Server, tmp_path: Path) -> None:
    server.files["/a"], server.cuts = CONTENT, [100_000] + [0] * 5
    with pytest.raises(DataError, match=r"the connection was cut \(5 attempts\)"):
        download([f"{server.url}/a"], tmp_path / "a")
    server.cuts = []
    assert download([f"{server.url}/a"], tmp_path / "a").read_bytes() == CONTENT
    assert server.requests[-1][1]["Range"] == "bytes=100000-"


def test_a_file_that_changed_meanwhile_is_begun_again(server: Server, tmp_path: Path) -> None:
    server.files["/a"], server.cuts = CONTENT[::-1], [300_000] + [0] * 5
    with pytest.raises(DataError):
        download([f"{server.url}/a"], tmp_path / "a")
    server.files["/a"], server.etag, server.cuts = CONTENT, '"v2"', []
    assert download([f"{server.url}/a"], tmp_path / "a").read_bytes() == CONTENT


def test_without_a_validator_nothing_is_resumed(server: Server, tmp_path: Path) -> None:
    server.files["/a"], server.etag, server.cuts = CONTENT, "", [300_000]
    assert download([f"{server.url}/a"], tmp_path / "a").read_bytes() == CONTENT
    assert all("Range" not in headers for _, headers in server.requests)


def test_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.files["/a"] = CONTENT[1:]
    with pytest.raises(DataError, match=f"must have the MD5 {MD5}, got"):
        download([f"{server.url}/a"], tmp_path / "a", md5=MD5)
    assert not [path for path in tmp_path.glob("a*") if path.is_file()]


def test_the_next_mirror_is_asked(server: Server, tmp_path: Path) -> None:
    server.files |= {"/bad": b"other", "/good": CONTENT}
    urls = [f"{server.url}/{name}" for name in ("missing", "bad", "good")]
    assert download(urls, tmp_path / "a", md5=MD5).read_bytes() == CONTENT


def test_trouble_that_passes(server: Server, tmp_path: Path) -> None:
    server.files["/a"], server.statuses = CONTENT, [503, 429]
    assert download([f"{server.url}/a"], tmp_path / "a", md5=MD5).read_bytes() == CONTENT


def test_a_busy_server_is_waited_for(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(downloads.time, "sleep", pauses.append)
    server.files["/a"], server.statuses, server.retry_after = CONTENT, [429], "7"
    download([f"{server.url}/a"], tmp_path / "a")
    server.files["/b"], server.statuses, server.retry_after = CONTENT, [503], "86400"
    download([f"{server.url}/b"], tmp_path / "b")
    assert pauses == [7, downloads.LONGEST_ASKED]


def test_trouble_that_stays(server: Server, tmp_path: Path) -> None:
    server.statuses = [503] * 5
    with pytest.raises(DataError, match="HTTP 503"):
        download([f"{server.url}/a"], tmp_path / "a")


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot download a: .*refused"):
        download(["http://127.0.0.1:9/a"], tmp_path / "a")


def test_only_http(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be an http or https URL"):
        download([(tmp_path / "a").as_uri()], tmp_path / "b")


def test_named_set_is_downloaded_once(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = idx_files(packed=True)
    server.files = {f"/{name}": content for name, content in files.items()}
    md5 = {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in files.items()}
    made = named.NamedSet([f"{server.url}/"], md5, class_names=("zero", "one", "two"))
    monkeypatch.setattr(named, "SETS", {"mnist": made})
    monkeypatch.setattr(named, "SYSTEM", tmp_path / "system")
    dataset = open_dataset(DataConfig(source="mnist"))
    assert (dataset.name, dataset.classes) == ("mnist", ("zero", "one", "two"))
    assert fetch("mnist").is_dir()
    assert len(server.requests) == len(files)


def test_named_set_that_no_mirror_has(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(named, "SETS", {"mnist": named.NamedSet([f"{server.url}/"], {"a.gz": MD5})})
    monkeypatch.setattr(named, "SYSTEM", tmp_path / "system")
    with pytest.raises(DataError, match=r"HTTP 404 .*name its parent in EYAS_DATA_DIR"):
        fetch("mnist")


@pytest.mark.parametrize("place", ["mnist", "mnist.zip"])
def test_named_set_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("EYAS_DATA_DIR", str(tmp_path / "sets"))
    target = tmp_path / "sets" / place
    if place.endswith("zip"):
        write_zip(target, idx_files(packed=True))
    else:
        write_files(target, idx_files(packed=True))
    assert fetch("mnist") == target
    assert open_dataset(DataConfig(source="mnist")).name == "mnist"


def test_fetch_of_an_unknown_set() -> None:
    with pytest.raises(ConfigError, match="got 'cifar11'; did you mean cifar10"):
        fetch("cifar11")


class KilledError(BaseException):
    """Nothing catches it, as nothing catches a SIGKILL."""


def test_killed_when_the_file_had_changed(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["/a"], server.cuts = CONTENT[::-1], [300_000] + [0] * 5
    with pytest.raises(DataError):
        download([f"{server.url}/a"], tmp_path / "a")
    server.files["/a"], server.etag, server.cuts = CONTENT, '"v2"', []
    with monkeypatch.context() as patch:
        patch.setattr(downloads, "_receive", fail_with(KilledError()))
        with pytest.raises(KilledError):
            download([f"{server.url}/a"], tmp_path / "a")
    assert download([f"{server.url}/a"], tmp_path / "a").read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["mnist", "kaggle:ann/digits"])
def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(named, "SYSTEM", tmp_path / "system")
    monkeypatch.setenv("EYAS_CACHE_DIR", str(write_files(tmp_path, {"file": b""}) / "file"))
    for open_it in (fetch, lambda spec: open_dataset(DataConfig(source=spec))):
        with pytest.raises(DataError, match=r"cannot write the cache .*EYAS_CACHE_DIR names another place"):
            open_it(name)
