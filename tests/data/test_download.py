"""Downloads against a real server on this machine: cut, resumed, wrong, refused, redirected."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from data_samples import CLASSES, TRAIN, class_files, idx_files, write_files, write_zip

from eyas.core.errors import ConfigError, DataError
from eyas.core.schema import DataConfig
from eyas.data import fetch, open_dataset
from eyas.data.sources import download as downloads
from eyas.data.sources import named
from eyas.data.sources.download import download

CONTENT = bytes(range(256)) * 4000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


@dataclass
class Server:
    """What it serves, how it misbehaves, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    """For each coming answer, after how many bytes the connection breaks."""
    statuses: list[int] = field(default_factory=list)
    """Errors for the coming requests."""
    redirects: dict[str, str] = field(default_factory=dict)
    etag: str = '"v1"'
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            headers = dict(self.headers.items())
            server.requests.append((self.path, headers))
            if server.statuses:
                self._end(server.statuses.pop(0))
            elif self.path in server.redirects:
                self._end(302, Location=server.redirects[self.path])
            elif self.path not in server.files:
                self._end(404)
            else:
                self._send(server.files[self.path], headers)

        def _send(self, content: bytes, headers: dict[str, str]) -> None:
            start = 0
            if "Range" in headers and headers.get("If-Range") == server.etag:
                start = int(headers["Range"].removeprefix("bytes=").removesuffix("-"))
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            if server.etag:
                self.send_header("ETag", server.etag)
            self.end_headers()
            self.wfile.write(content[start:][: server.cuts.pop(0) if server.cuts else None])

        def _end(self, status: int, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler


@pytest.fixture(autouse=True)
def quiet_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "BACKOFF_SECONDS", 0)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_CONFIG_DIR", "EYAS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


def running() -> Iterator[Server]:
    state = Server()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(state)) as real:
        state.url = f"http://127.0.0.1:{real.server_address[1]}"
        thread = threading.Thread(target=real.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        real.shutdown()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    yield from running()


@pytest.fixture
def other_host() -> Iterator[Server]:
    yield from running()


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
