"""Images of `deploy/docker`, built here and asked, by whatever builds here. `make image-check` runs their tests.

They need docker, podman or buildah, and the network: EYAS_IMAGE_CHECK=1 asks for them.

- ENGINE is the one to take, where there are several.
- EYAS_IMAGE_BASE is a Python to build on in place of Docker Hub's: a mirror's.
- EYAS_IMAGE_MOUNTS names files and folders that the build sees at the same path (pip.conf, certificates), with commas.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from eyas.deploy.context import project_folder
from eyas.deploy.files import template_folder
from eyas.deploy.images import BUILDERS, find_builder
from support.waiting import wait_until

ASKED = "EYAS_IMAGE_CHECK" in os.environ
BUILDER = (os.environ.get("ENGINE") or find_builder()) if ASKED else None
BASE = os.environ.get("EYAS_IMAGE_BASE", "docker.io/library/python:3.11-slim-bookworm")
BUILD_SECONDS, START_SECONDS, RUN_SECONDS = 2400, 240, 600
needs_builder = [
    pytest.mark.skipif(not ASKED, reason="builds an image from the network: make image-check"),
    pytest.mark.skipif(
        BUILDER is None,
        reason="there is neither docker with its engine, nor podman, nor buildah: apt-get install buildah",
    ),
    pytest.mark.timeout(BUILD_SECONDS + RUN_SECONDS),
]
OWN = """
import json, os, shutil, sys
from importlib.metadata import distributions
from importlib.util import find_spec
names = ("torch", "pip", "setuptools", "sklearn", "onnx", "matplotlib")
places = ("/", sys.prefix, "/etc/eyas", "/usr", "/models", "/work", "/mlflow", "/var/lib/eyas")
print(json.dumps({
    "user": os.getuid(),
    "found": [name for name in names if find_spec(name)] + [name for name in ("cc", "pip") if shutil.which(name)],
    "installed": {one.name.lower().replace("_", "-").replace(".", "-"): one.version for one in distributions()},
    "writable": [path for path in places if os.access(path, os.W_OK)],
}))
"""


def locked(*names: str) -> dict[str, str]:
    """Name → version, of the locks of `deploy/docker`."""
    lines = [
        line for name in names for line in (template_folder() / "docker" / f"{name}.lock").read_text().splitlines()
    ]
    pairs = (line.split("==") for line in lines if not line.startswith("#"))
    return {name.lower().replace("_", "-").replace(".", "-"): version for name, version in pairs}


def docker_words(dockerfile: str, context: Path, tag: str) -> list[str]:
    """What builds an image of `deploy/docker`."""
    file = context / "deploy" / "docker" / f"{dockerfile}.Dockerfile"
    return [str(BUILDER), "build", *BUILDERS[str(BUILDER)][1], f"--file={file}", f"--tag={tag}", str(context)]


def plain_image(dockerfile: str) -> AbstractContextManager[Image]:
    """An image of `deploy/docker` as it stands there."""
    tag = f"localhost/eyas-image-check:{dockerfile}"
    return built_image(tag, docker_words(dockerfile, project_folder(), tag))


@contextmanager
def built_image(tag: str, command: list[str]) -> Iterator[Image]:
    """The image that a command builds; it stays, for the next build's layers."""
    mounts = [f"--volume={one}:{one}:ro" for one in os.environ.get("EYAS_IMAGE_MOUNTS", "").split(",") if one]
    _run(*command[:2], *mounts, f"--build-arg=PYTHON_IMAGE={BASE}", *command[2:])
    container = _run("buildah", "from", "--pull-never", tag).strip() if BUILDER == "buildah" else ""
    try:
        yield Image(tag, container)
    finally:
        if container:
            _run("buildah", "rm", container)


@dataclass(frozen=True)
class Image:
    """A built image."""

    tag: str
    container: str
    """buildah's, which has no other way to run anything."""

    def words(
        self, *command: str, mounts: Mapping[Path, str] | None = None, writable: tuple[str, ...] = ()
    ) -> list[str]:
        """What runs a command in a container, with this machine's network and, where it can be, a read-only root.

        Args:
            mounts: of this machine → inside, with `:ro` or without.
            writable: folders of the image that a volume makes writable.
        """
        volumes = [f"--volume={source}:{target}" for source, target in (mounts or {}).items()]
        if BUILDER == "buildah":
            return ["buildah", "run", *volumes, self.container, "--", *command]
        hardened = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host"]
        temporary = ["--tmpfs=/tmp", *(f"--tmpfs={path}:uid=10001,gid=10001" for path in writable)]
        entry = ["--entrypoint", command[0]]
        return [str(BUILDER), "run", "--rm", *hardened, *temporary, *volumes, *entry, self.tag, *command[1:]]

    def run(self, *command: str, mounts: Mapping[Path, str] | None = None, writable: tuple[str, ...] = ()) -> str:
        """What a command says that succeeds."""
        return _run(*self.words(*command, mounts=mounts, writable=writable))

    def own(self) -> Any:
        """Who runs inside, what is installed, and what may be written."""
        return json.loads(self.run("python", "-c", OWN))

    def added_megabytes(self) -> float:
        """All of its files without the base's."""
        return _megabytes(self.tag) - _megabytes(BASE)


@contextmanager
def serving(command: list[str], ready: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A container that answers at a URL; ended at the end, where it has not."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    try:
        wait_until(lambda: _is_ready(process, ready, log), START_SECONDS)
        yield process
    finally:
        if BUILDER != "buildah":
            end(process)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def end(process: subprocess.Popen[bytes]) -> None:
    """Tell a container to end, and wait. docker and podman hand the signal on; killed, they would leave it running."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=30)


def _is_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _megabytes(tag: str) -> float:
    """Of all files of an image."""
    if BUILDER != "buildah":
        return int(_run(str(BUILDER), "image", "inspect", "--format={{.Size}}", tag)) / 1e6
    container = _run("buildah", "from", "--pull-never", tag).strip()
    try:
        root = Path(_run("buildah", "mount", container).strip())
        return sum(file.lstat().st_size for file in root.rglob("*") if file.is_symlink() or file.is_file()) / 1e6
    finally:
        _run("buildah", "rm", container)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout
