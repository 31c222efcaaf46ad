"""A store of MLflow's own making, a tracking server, and small runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eyas.core.config import load_config
from eyas.core.schema import Config
from support.tracking import FAST, MlflowServer, put_store

OURS = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_MODE", "WANDB_PROJECT")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a database, and no settings of the person who runs the tests."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    put_store(tmp_path)
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
