"""Downloads from a server of this test's own that speaks the hub's protocol."""

import hashlib
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from types import SimpleNamespace

import pytest
import torch

from eyas.core.errors import ConfigError
from eyas.core.schema import PretrainedConfig
from eyas.nn.pretrained import find_backbone
from eyas.nn.pretrained.hub import fetch
from eyas.nn.pretrained.loading import read_weights
from support.backbones import write_backbone

REPOSITORY = "owner/tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """One model's files, by HEAD and GET with ranges.

    Args:
        folder: the files.
    """

    def __init__(self, folder):
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.damaged = False
        self.cuts = 0
        self.asked = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # a body waits for no acknowledgement of its head

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.answer(body=False)

            def do_GET(self):
                self.answer(body=True)

            def answer(self, *, body):
                start = int(re.findall(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))[0])
                hub.asked.append((self.command, self.path, start))
                found = re.fullmatch(rf"/{REPOSITORY}/resolve/main/(.+)", self.path)
                content = hub.files.get(found[1]) if found else None
                if content is None:
                    self.send_response(404)
                    self.send_header("X-Error-Code", "EntryNotFound" if found else "RepoNotFound")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                digest = hashlib.sha256(content).hexdigest()
                sent = (b"\0" * len(content) if hub.damaged else content)[start:]
                self.send_response(206 if start else 200)
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("ETag", f'"{digest}"')
                self.send_header("Content-Length", str(len(sent)))
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                self.end_headers()
                if not body:
                    return
                if hub.cuts and found[1].endswith(".safetensors"):
                    hub.cuts -= 1
                    self.wfile.write(sent[: len(sent) // 2])
                    self.close_connection = True
                    return
                self.wfile.write(sent)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_backbone(tmp_path_factory.mktemp("hub"))


@pytest.fixture
def hub(folder, tmp_path, monkeypatch):
    from huggingface_hub import constants, file_download

    served = Hub(folder)
    monkeypatch.setenv("HF_ENDPOINT", served.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(file_download, "time", SimpleNamespace(sleep=lambda seconds: None))  # its pause after a cut
    yield served
    served.close()


def test_a_file_comes_once_and_then_from_the_cache(hub, folder):
    file = fetch(REPOSITORY, "model.safetensors", offline=False)
    assert file.read_bytes() == (folder / "model.safetensors").read_bytes()
    gets = [request for request in hub.asked if request[0] == "GET"]
    assert fetch(REPOSITORY, "model.safetensors", offline=False) == file
    assert [request for request in hub.asked if request[0] == "GET"] == gets
    hub.asked.clear()
    assert fetch(REPOSITORY, "model.safetensors", offline=True) == file
    assert not hub.asked


def test_a_download_that_is_cut_goes_on_where_it_was(hub):
    hub.files["large.safetensors"] = content = os.urandom(24 << 20)  # the library keeps whole parts of 10 MiB
    hub.cuts = 1
    assert fetch(REPOSITORY, "large.safetensors", offline=False).read_bytes() == content
    assert [start for command, _, start in hub.asked if command == "GET"] == [0, 10 << 20]


def test_a_download_that_is_cut_again_and_again_is_told(hub):
    hub.cuts = 100
    with pytest.raises(ConfigError, match=r"model\.safetensors of owner/tiny cannot be downloaded: .*again"):
        fetch(REPOSITORY, "model.safetensors", offline=False)


def test_a_repository_with_a_torch_file_alone_is_found_offline_too(hub, folder):
    torch.save(read_weights(folder / "model.safetensors"), content := BytesIO())
    hub.files.pop("model.safetensors")
    hub.files["pytorch_model.bin"] = content.getvalue()
    online = find_backbone(PretrainedConfig(backbone=f"hf-hub:{REPOSITORY}"))
    hub.asked.clear()
    assert find_backbone(PretrainedConfig(backbone=f"hf-hub:{REPOSITORY}", offline=True)) == online
    assert not hub.asked


def test_what_does_not_hash_to_its_name_is_removed(hub):
    hub.damaged = True
    with pytest.raises(ConfigError, match=r"model.safetensors is damaged: its SHA-256 must be .*run the command again"):
        fetch(REPOSITORY, "model.safetensors", offline=False)
    hub.damaged = False
    assert fetch(REPOSITORY, "model.safetensors", offline=False).is_file()


def test_what_is_not_there_is_told(hub, tmp_path):
    assert fetch(REPOSITORY, "pytorch_model.bin", offline=False) is None
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1.* has no model owner/other"):
        fetch("owner/other", "config.json", offline=False)
    with pytest.raises(
        ConfigError, match=rf"not in the cache {tmp_path}/hub.* offline.* hf download owner/tiny config"
    ):
        fetch(REPOSITORY, "config.json", offline=True)


def test_another_process_finds_it_offline(hub, tmp_path):
    file = fetch(REPOSITORY, "model.safetensors", offline=False)
    program = (
        "from eyas.nn.pretrained.hub import fetch\n"
        f"print(fetch({REPOSITORY!r}, 'model.safetensors', offline=False))\n"
        f"fetch({REPOSITORY!r}, 'config.json', offline=False)\n"
    )
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    hub.asked.clear()
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(file), done.stderr
    assert "config.json of owner/tiny is not in the cache" in done.stderr
    assert not hub.asked
