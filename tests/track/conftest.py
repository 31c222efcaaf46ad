"""A store of MLflow's own making, a tracking server, and small runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from eyas.core.config import load_config
from eyas.core.schema import Config
from support.tracking import FAST, MlflowServer

OURS = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_MODE", "WANDB_PROJECT")


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database, made once: its tables take seconds."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def home(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a database, and no settings of the person who runs the tests."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def config(home: Path) -> Callable[..., Config]:
    return lambda *words: load_config(None, [*FAST, *words])


@pytest.fixture
def server(home: Path) -> Iterator[MlflowServer]:
    made = MlflowServer(home)
    made.start()
    yield made
    made.kill()
