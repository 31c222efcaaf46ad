"""The serving image, built from what `eyas deploy image` writes, and asked. `make image-check` runs this.

It needs docker, podman or buildah, and the network: EYAS_IMAGE_CHECK=1 asks for it. EYAS_IMAGE_MOUNTS names files and
folders that the build sees at the same path (pip.conf, certificates), with commas.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from eyas.bundle import Bundle, open_bundle
from eyas.client import Client
from eyas.core import io
from eyas.deploy.context import write_context
from eyas.deploy.files import template_folder
from eyas.deploy.images import build_command, find_builder
from support.bundles import make_bundle
from support.server import free_port
from support.tokens import SECRET, token
from support.waiting import wait_until

BUILDER = find_builder()
TAG = "localhost/eyas-image-check:1"
BASE = "docker.io/library/python:3.11-slim-bookworm"
MOST_MB = 230
SECONDS = 90
pytestmark = [
    pytest.mark.skipif(
        "EYAS_IMAGE_CHECK" not in os.environ, reason="builds an image from the network: make image-check"
    ),
    pytest.mark.skipif(
        BUILDER is None,
        reason="there is neither docker with its engine, nor podman, nor buildah: apt-get install buildah",
    ),
    pytest.mark.timeout(1200),
]
OWN = """
import json, os, shutil, sys
from importlib.metadata import distributions
from importlib.util import find_spec
names = ("torch", "pip", "setuptools", "sklearn", "onnx", "matplotlib")
print(json.dumps({
    "user": os.getuid(),
    "found": [name for name in names if find_spec(name)] + [name for name in ("cc", "pip") if shutil.which(name)],
    "installed": {one.name.lower().replace("_", "-"): one.version for one in distributions()},
    "writable": [path for path in ("/", "/opt/eyas", "/etc/eyas", "/usr", "/models") if os.access(path, os.W_OK)],
}))
"""


class Image:
    """A built image, by whatever builds here."""

    def __init__(self, bundle: Bundle, context: Path) -> None:
        self.bundle = bundle
        command = build_command(str(BUILDER), context, TAG, bundle.manifest)
        mounts = [f"--volume={one}:{one}:ro" for one in os.environ.get("EYAS_IMAGE_MOUNTS", "").split(",") if one]
        self._run(*command[:2], *mounts, *command[2:])
        self._container = self._run("buildah", "from", "--pull-never", TAG).strip() if BUILDER == "buildah" else ""

    def words(self, *command: str, mounts: dict[Path, str]) -> list[str]:
        """What runs a command in a container, with this machine's network and, where it can be, a read-only root."""
        volumes = [f"--volume={source}:{target}" for source, target in mounts.items()]
        if BUILDER == "buildah":
            return ["buildah", "run", *volumes, self._container, "--", *command]
        entry = ["--entrypoint", command[0]]
        hardened = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--network=host"]
        return [str(BUILDER), "run", "--rm", *hardened, *volumes, *entry, TAG, *command[1:]]

    def ask(self, script: str) -> str:
        """What a Python script says inside."""
        return self._run(*self.words("python", "-c", script, mounts={}))

    def megabytes(self, name: str) -> float:
        """Of all files of an image."""
        if BUILDER != "buildah":
            return int(self._run(str(BUILDER), "image", "inspect", "--format={{.Size}}", name)) / 1e6
        container = self._run("buildah", "from", "--pull-never", name).strip()
        try:
            root = Path(self._run("buildah", "mount", container).strip())
            return sum(file.lstat().st_size for file in root.rglob("*") if file.is_symlink() or file.is_file()) / 1e6
        finally:
            self._run("buildah", "rm", container)

    def remove(self) -> None:
        """Its container; the image stays, for the next build's cache."""
        if self._container:
            self._run("buildah", "rm", self._container)

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=1100, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    folder = tmp_path_factory.mktemp("image")
    bundle = open_bundle(make_bundle(folder / "model").path)
    write_context(folder / "context", bundle)
    built = Image(bundle, folder / "context")
    yield built
    built.remove()


@contextmanager
def _serving(image: Image, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Its own command, on a port of ours."""
    secret = folder / "auth_secret"
    io.write_text(secret, SECRET)
    folder.chmod(0o755)
    port = free_port()
    words = ["eyas", "serve", "/models", f"serve.port={port}", "serve.workers=1"]
    command = image.words(*words, mounts={secret: "/run/secrets/auth_secret:ro"})
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _is_ready(process, url, folder / "log"), SECONDS)
        yield process, url
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _is_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_the_server_inside_gives_the_golden_answers(image: Image, tmp_path: Path):
    golden = image.bundle.golden()
    with _serving(image, tmp_path) as (_, url):
        assert httpx.post(f"{url}/predict", json={"data": golden.images[0].tolist(), "range": 255}).status_code == 401
        with Client(url, token=token()) as client:
            answers = client.predict(golden.images)
        found = np.array([answer.probabilities for answer in answers])
        np.testing.assert_allclose(found, golden.probabilities, atol=1e-4)


def test_sigterm_ends_it_once_the_requests_are_answered(image: Image, tmp_path: Path):
    with _serving(image, tmp_path) as (process, url):
        (pid,) = [int(one.name) for one in Path("/proc").glob("[0-9]*") if _is_server(one, url)]
        os.kill(pid, signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def _is_server(process: Path, url: str) -> bool:
    """Whether it is the supervisor: its own command line, and no parent with the same."""
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
        parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        above = Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    mark = f"serve.port={url.rpartition(':')[2]}".encode()
    return words[0].endswith(b"python") and mark in words and not (above[0].endswith(b"python") and mark in above)


def test_it_holds_what_the_lock_names_and_nothing_that_builds_or_learns(image: Image):
    own = json.loads(image.ask(OWN))
    assert own["user"] == 10001
    assert own["found"] == []
    assert set(own["writable"]) <= {"/models"}
    lines = (template_folder() / "docker" / "serve.lock").read_text().splitlines()[1:]
    locked = dict(line.split("==") for line in lines)
    assert {name: version for name, version in own["installed"].items() if name != "eyas"} == locked
    listed = json.loads(image.ask("print(open('/usr/share/sbom/eyas.cdx.json').read())"))
    assert listed["bomFormat"] == "CycloneDX"
    assert {one["name"].lower().replace("_", "-") for one in listed["components"]} == own["installed"].keys()


def test_it_adds_little_to_its_base(image: Image):
    added = image.megabytes(TAG) - image.megabytes(BASE)
    print(f"the image adds {added:.1f} MB to its base")
    assert added <= MOST_MB


def test_without_a_secret_it_says_what_is_missing(image: Image):
    command = image.words("eyas", "serve", "/models", f"serve.port={free_port()}", mounts={})
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "serve.auth.secret_file=/run/secrets/auth_secret" in done.stderr
