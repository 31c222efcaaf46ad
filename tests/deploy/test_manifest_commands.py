"""The words that Kubernetes's and KServe's manifests start a server with: a real one takes them, and answers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from eyas.bundle import Bundle, Repository
from eyas.deploy.release import open_release
from eyas.deploy.rendering import KubernetesChoice, render_kubernetes
from support.bundles import make_bundle
from support.server import free_port
from support.tokens import SECRET, bearing, token
from support.waiting import wait_until

IMAGE = "registry.example.com/digits:2"
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
# As in the image: it is read from the working folder.
IMAGE_CONFIG = "serve: {host: 0.0.0.0, auth: {secret_file: /run/secrets/auth_secret}, monitor: {folder: /var/lib/eyas}}"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_bundle(tmp_path / "bundle", version="2")


def manifests(bundle: Bundle, folder: Path, overlay: str | None = None) -> Path:
    """The tree below the kustomization that is rendered; that one changes no word of a command."""
    render_kubernetes(open_release(bundle.path, IMAGE), folder, KubernetesChoice(overlay))
    return folder / "kubernetes"


@contextmanager
def started(container: Mapping[str, Any], places: Mapping[str, Path], folder: Path) -> Iterator[str]:
    """A container's own command on a port of ours, ready by its probes; its URL.

    Args:
        places: what lies here for each path of the container.
    """
    port = free_port()

    def here(text: str) -> str:
        for path, place in places.items():
            text = re.sub(rf"(?<![\w/]){re.escape(path)}(?![\w-])", str(place), text)
        return text.replace("0.0.0.0", "127.0.0.1")

    (folder / "eyas.yaml").write_text(here(IMAGE_CONFIG))
    assert container["command"] == ["eyas"]
    own = {one["name"]: one["value"] for one in container.get("env", [])}
    command = [sys.executable, "-P", "-m", "eyas", *map(here, container["args"]), f"serve.port={port}"]
    url, log = f"http://127.0.0.1:{port}", folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=folder, env=os.environ | own, stdout=file, stderr=file)
    try:
        for probe in PROBES:
            path = container[probe]["httpGet"]["path"]
            wait_until(lambda path=path: process.poll() is not None or answers(url + path), 60)
            assert process.poll() is None, log.read_text()
        yield url
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0, log.read_text()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def test_the_deployment_starts_by_its_own_words(bundle: Bundle, tmp_path: Path) -> None:
    tree = manifests(bundle, tmp_path / "k8s")
    deployment = yaml.safe_load((tree / "base" / "deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    etc, auth, monitor = (tmp_path / name for name in ("etc", "auth", "monitor"))
    for made in (etc, auth, monitor):
        made.mkdir()
    (auth / "secret").write_text(SECRET)
    text = (tree / "base" / "eyas.yaml").read_text()
    for path, place in (("/run/secrets/eyas", auth), ("/var/lib/eyas", monitor), ("0.0.0.0", "127.0.0.1")):
        assert path in text
        text = text.replace(path, str(place))
    (etc / "eyas.yaml").write_text(text)
    Repository(tmp_path / "models").publish(bundle.path, live=True)
    with started(container, {"/etc/eyas": etc, "/models": tmp_path / "models"}, tmp_path) as url:
        image = {"data": bundle.golden().images[0].tolist(), "range": 255}
        assert httpx.post(f"{url}/predict", json=image).status_code == 401
        answer = httpx.post(f"{url}/predict", json=image, headers=bearing(token()))
        assert answer.json()["predictions"] == [int(bundle.golden().probabilities[0].argmax())]


def test_the_runtime_of_kserve_starts_by_its_own_words(bundle: Bundle, tmp_path: Path) -> None:
    """KServe puts what `storageUri` names at /mnt/models: the bundle itself."""
    tree = manifests(bundle, tmp_path / "k8s", "kserve") / "overlays" / "kserve"
    runtime = yaml.safe_load((tree / "serving-runtime.yaml").read_text())
    (container,) = runtime["spec"]["containers"]
    places = {"/mnt/models": bundle.path, "/run/secrets": tmp_path, "/var/lib/eyas": tmp_path / "monitor"}
    with started(container, places, tmp_path) as url:
        golden = bundle.golden()
        tensor = {"name": "images", "datatype": "UINT8", "shape": [1, *golden.images.shape[1:]]}
        tensor["data"] = golden.images[0].ravel().tolist()
        (ready,) = {path["httpGet"]["path"] for path in (container["startupProbe"], container["readinessProbe"])}
        assert answers(url + ready)
        answer = httpx.post(f"{url}/v2/models/digits/infer", json={"inputs": [tensor]}).json()
        found = {one["name"]: one["data"] for one in answer["outputs"]}["probabilities"]
        assert found == pytest.approx(golden.probabilities[0].tolist(), abs=1e-4)
