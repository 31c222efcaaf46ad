"""The serving images, built from what `eyas deploy image` writes, and asked: with a model inside, and for a volume."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest

from eyas.bundle import Bundle, Repository, open_bundle
from eyas.bundle.folder import MODEL
from eyas.client import Client
from eyas.core import io
from eyas.deploy.context import write_context
from eyas.deploy.fitting import OPSET
from eyas.deploy.images import build_command
from support.bundles import make_bundle
from support.defects import rehash
from support.images import BUILDER, Image, built_image, locked, needs_builder, serving
from support.server import free_port
from support.tokens import SECRET, token

TAG, PLAIN_TAG = "localhost/eyas-image-check:1", "localhost/eyas-image-check:plain"
MOST_MB = 230
pytestmark = needs_builder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return open_bundle(make_bundle(tmp_path_factory.mktemp("bundle") / "model").path)


@pytest.fixture(scope="module")
def image(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The model is inside."""
    context = tmp_path_factory.mktemp("image") / "context"
    write_context(context, bundle)
    with built_image(TAG, build_command(str(BUILDER), context, TAG, bundle.manifest)) as built:
        yield built


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """It has no model."""
    context = tmp_path_factory.mktemp("plain") / "context"
    write_context(context, None)
    with built_image(PLAIN_TAG, build_command(str(BUILDER), context, PLAIN_TAG, None)) as built:
        yield built


def _serving(
    image: Image, folder: Path, url: str, models: Path | None = None
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Its own command, on a port of ours."""
    mounts = _secret(folder) | ({models: "/models:ro"} if models else {})
    words = ["eyas", "serve", "/models", f"serve.port={url.rpartition(':')[2]}", "serve.workers=1"]
    return serving(image.words(*words, mounts=mounts), f"{url}/readyz", folder / "log")


def _secret(folder: Path) -> dict[Path, str]:
    """A file with it, and where it is found inside; the user there is another."""
    path = folder / "auth_secret"
    io.write_text(path, SECRET)
    path.chmod(0o644)
    folder.chmod(0o755)
    return {path: "/run/secrets/auth_secret:ro"}


@pytest.fixture
def url() -> str:
    return f"http://127.0.0.1:{free_port()}"


def _gives_the_golden_answers(url: str, bundle: Bundle) -> None:
    golden = bundle.golden()
    with Client(url, token=token()) as client:
        found = np.array([answer.probabilities for answer in client.predict(golden.images)])
    np.testing.assert_allclose(found, golden.probabilities, atol=1e-4)


def test_the_server_inside_gives_the_golden_answers(image: Image, bundle: Bundle, tmp_path: Path, url: str):
    image_of_golden = bundle.golden().images[0].tolist()
    with _serving(image, tmp_path, url):
        assert httpx.post(f"{url}/predict", json={"data": image_of_golden, "range": 255}).status_code == 401
        _gives_the_golden_answers(url, bundle)


@pytest.mark.parametrize("holds", ["bundle", "repository"])
def test_a_model_comes_by_a_volume(plain: Image, bundle: Bundle, tmp_path: Path, url: str, holds: str):
    models = bundle.path
    if holds == "repository":
        models = tmp_path / "models"
        Repository(models).publish(bundle.path, live=True)
    for path in (tmp_path, models, *models.rglob("*")):  # the user inside is another
        path.chmod(0o755 if path.is_dir() else 0o644)
    with _serving(plain, tmp_path, url, models):
        _gives_the_golden_answers(url, bundle)


def test_without_a_model_it_says_what_is_missing(plain: Image, tmp_path: Path):
    words = plain.words("eyas", "serve", "/models", mounts=_secret(tmp_path))
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 5
    assert "/models is not a bundle" in done.stderr


def test_a_bundle_of_newer_operators_on_the_volume_is_named(plain: Image, tmp_path: Path):
    path = make_bundle(tmp_path / "model").path
    model = onnx.load(path / MODEL)
    model.opset_import[0].version = OPSET + 1
    onnx.save(model, path / MODEL)
    rehash(path)
    words = plain.words("eyas", "serve", "/models", mounts=_secret(tmp_path) | {path: "/models:ro"})
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 5
    assert "/models/model.onnx is not a graph that ONNX Runtime can load" in done.stderr


def test_sigterm_ends_it_once_the_requests_are_answered(image: Image, tmp_path: Path, url: str):
    with _serving(image, tmp_path, url) as process:
        if BUILDER == "buildah":  # hands no signal on
            (pid,) = [int(one.name) for one in Path("/proc").glob("[0-9]*") if _is_server(one, url)]
            os.kill(pid, signal.SIGTERM)
        else:
            process.terminate()
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


@pytest.mark.parametrize("name", ["image", "plain"])
def test_it_holds_what_the_lock_names_and_nothing_that_builds_or_learns(name: str, request: pytest.FixtureRequest):
    image: Image = request.getfixturevalue(name)
    own = image.own()
    assert own["user"] == 10001
    assert own["found"] == []
    assert set(own["writable"]) <= {"/models", "/var/lib/eyas"}
    assert {name: version for name, version in own["installed"].items() if name != "eyas"} == locked("serve")
    listed = json.loads(image.run("cat", "/usr/share/sbom/eyas.cdx.json"))
    assert listed["bomFormat"] == "CycloneDX"
    assert {one["name"].lower().replace("_", "-") for one in listed["components"]} == own["installed"].keys()


@pytest.mark.parametrize("name", ["image", "plain"])
def test_it_adds_little_to_its_base(name: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]):
    added = request.getfixturevalue(name).added_megabytes()
    with capsys.disabled():
        print(f"\nthe serving image adds {added:.1f} MB to its base ({name})")
    assert added <= MOST_MB


def test_without_a_secret_it_says_what_is_missing(image: Image):
    command = image.words("eyas", "serve", "/models", f"serve.port={free_port()}")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "serve.auth.secret_file=/run/secrets/auth_secret" in done.stderr
