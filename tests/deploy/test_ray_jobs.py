"""The RayJobs' entrypoints, sent to a Ray of this machine as KubeRay sends them: by HTTP, to the head's job server."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from eyas.core.marks import FOUND
from eyas.deploy.context import project_folder
from eyas.deploy.files import template_folder
from support.ray_start import ease_ray
from support.server import free_port
from support.waiting import wait_until

OVERLAY = template_folder() / "kubernetes" / "overlays" / "ray"
SCRIPTS = Path(sys.executable).parent
TOKEN = "f" * 64
ABSENT = "ray[default], which has the job server, is not there: make deploy-check"
PORTS = {"dashboard-port": 8265, "dashboard-agent-listen-port": 52365}
START_SECONDS, JOB_SECONDS, STOP_SECONDS = 120, 240, 60
ENDS = ("SUCCEEDED", "FAILED", "STOPPED")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Head:
    """A Ray whose job server answers."""

    ports: dict[int, int]
    """Of the pods → of this machine."""
    volume: Path
    """It stands for the pods'."""

    @property
    def jobs(self) -> str:
        """Where they are sent."""
        return f"http://127.0.0.1:{self.ports[8265]}/api/jobs/"

    def is_well(self, probe: dict[str, Any]) -> bool:
        """What a pod's probe, which has no token, would be told."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.ports[probe['port']]}{probe['path']}", timeout=5).is_success
        except httpx.TransportError:
            return False

    def run(self, spec: dict[str, Any], **other: str) -> str:
        """Send a RayJob, some of its words changed, and wait for its end: what it said."""
        entrypoint = spec["entrypoint"].replace("/work", str(self.volume))
        for word, instead in other.items():
            assert word in entrypoint
            entrypoint = entrypoint.replace(word, instead)
        asked = {"entrypoint": entrypoint, "entrypoint_num_cpus": spec.get("entrypointNumCpus", 0)}
        with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as client:
            sent = client.post(self.jobs, json=asked)
            assert sent.status_code == 200, sent.text
            job = self.jobs + sent.json()["submission_id"]
            wait_until(lambda: client.get(job).json()["status"] in ENDS, JOB_SECONDS)
            said: str = client.get(f"{job}/logs").json()["logs"]
            assert client.get(job).json()["status"] == "SUCCEEDED", said
        return said


def _spec(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((OVERLAY / name).read_text())["spec"]
    return found


def test_the_lock_has_all_that_the_job_server_needs():
    """Beside the training image's other lock, as it is installed here."""
    pytest.importorskip("opencensus", reason=ABSENT)
    docker, project = template_folder() / "docker", project_folder() / "pyproject.toml"
    command = [sys.executable, docker / "closure.py", project, "ray[default]", docker / "train.lock"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert found == (docker / "ray.lock").read_text()


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """`ray start --head`, told of its token as KubeRay tells it; trials run on it too."""
    pytest.importorskip("opencensus", reason=ABSENT)
    made = Head({port: free_port() for port in PORTS.values()}, tmp_path_factory.mktemp("work"))
    _write_digits(made.volume / "data")
    (made.volume / "eyas.yaml").write_text("train: {epochs: 1, precision: fp32}\n")
    short = tempfile.TemporaryDirectory(
        prefix="ray-", ignore_cleanup_errors=True
    )  # the path of a socket has 107 letters
    options = {"port": free_port(), "num-cpus": 4, "temp-dir": short.name}
    options |= {name: made.ports[port] for name, port in PORTS.items()}
    command = [SCRIPTS / "ray", "start", "--head", "--block", *(f"--{name}={value}" for name, value in options.items())]
    log = made.volume / "ray.log"
    with pytest.MonkeyPatch.context() as patch, log.open("wb") as file:
        ease_ray(tmp_path_factory.mktemp("without"), patch)
        own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "EYAS_CACHE_DIR": str(made.volume / "cache")}
        environment = {**os.environ, **own, "PATH": os.pathsep.join([str(SCRIPTS), os.environ["PATH"]])}
        process = subprocess.Popen(command, env=environment, cwd=made.volume, stdout=file, stderr=subprocess.STDOUT)
    try:
        probe = {"path": "/api/gcs_healthz", "port": 8265}
        wait_until(lambda: process.poll() is not None or made.is_well(probe), START_SECONDS)
        assert process.poll() is None, log.read_text()
        yield made
    finally:
        process.terminate()
        process.wait(timeout=STOP_SECONDS)
        short.cleanup()


def _write_digits(folder: Path) -> None:
    """Some of scikit-learn's digits as pictures, a folder a class."""
    digits = load_digits()
    for index, (image, truth) in enumerate(zip(digits.images[:200], digits.target[:200], strict=True)):
        (folder / str(truth)).mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15).astype(np.uint8)).save(folder / str(truth) / f"{index}.png")


def test_the_nodes_probes_are_answered(head: Head):
    """Of the head by its dashboard, of a worker by its agent."""
    cluster = _spec("ray-cluster.yaml")
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        for name in ("readinessProbe", "livenessProbe"):
            wait_until(partial(head.is_well, container[name]["httpGet"]), START_SECONDS)


def test_who_has_no_token_sends_nothing(head: Head):
    assert _spec("ray-cluster.yaml")["authOptions"] == {"mode": "token"}
    assert httpx.post(head.jobs, json={"entrypoint": "true"}, timeout=60).status_code == 401


def test_a_training_is_a_job(head: Head):
    said = head.run(_spec("ray-job-train.yaml"))
    (run,) = (head.volume / "runs").glob("data-*")
    assert (run / "last.pt").is_file(), said


def test_a_search_is_a_job(head: Head):
    said = head.run(_spec("ray-job-tune.yaml"), **{"--trials 40": "--trials 2 --seeds 1"})
    assert list((head.volume / "runs").glob(f"data-tune-*/{FOUND}")), said
