"""MLflow's tracking server in a process, its empty database, and what its stores hold."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from mlflow import MlflowClient
from mlflow.entities import Run

from eyas.core.runs import RunFolder
from support.loaded import loaded_eyas
from support.server import free_port
from support.waiting import wait_until

FAST = ("data.source=digits", "train.epochs=3", "train.batch_size=64", "train.precision=fp32")
START_SECONDS = 90


class MlflowServer:
    """MLflow's own tracking server on one port, which may die and come back."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        store = ("--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db")
        files = ("--artifacts-destination", str(self._folder / "artifacts"))
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *store, *files, "--port", str(self._port), "--workers", "1"],
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, START_SECONDS)

    def kill(self) -> None:
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


def put_store(folder: Path) -> None:
    """MLflow's empty database, `mlflow.db`, where the first run would make it in five seconds."""
    (folder / "mlflow.db").write_bytes(_empty_store())


@cache
def _empty_store() -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "mlflow.db"
        MlflowClient(f"sqlite:///{file}").search_experiments()
        return file.read_bytes()


def store() -> str:
    """The working directory's. Absolute: MLflow keeps a connection for each address."""
    return f"sqlite:///{Path('mlflow.db').absolute()}"


def only_run(experiment: str = "digits", uri: str = "") -> Run:
    """The one run of an experiment."""
    client = MlflowClient(uri or store())
    found = client.get_experiment_by_name(experiment)
    assert found
    (run,) = client.search_runs([found.experiment_id])
    return run


def history(name: str, uri: str = "", experiment: str = "digits") -> list[tuple[int, float]]:
    """All points of a metric of that run: step and value."""
    run = only_run(experiment, uri)
    return sorted((m.step, m.value) for m in MlflowClient(uri or store()).get_metric_history(run.info.run_id, name))


def waiting(run: RunFolder) -> int:
    """Lines of the spool that are not noted as delivered."""
    written = len((run.path / "track" / "records.jsonl").read_text().splitlines())
    state = run.path / "track" / "mlflow.json"
    (store,) = json.loads(state.read_text()).values() if state.exists() else ({"lines": 0},)
    return written - int(store["lines"])


def eyas(*arguments: object, code: int = 0, fresh: bool = False) -> subprocess.CompletedProcess[str]:
    """The command in the working directory; `fresh`: with all its imports."""
    command = [*([sys.executable, "-m", "eyas"] if fresh else [loaded_eyas()]), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done
