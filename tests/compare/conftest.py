"""A working directory, and small studies of the digits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eyas.compare.making import plan_comparison
from eyas.compare.plan import Plan
from support.tracking import MlflowServer

QUICK = {"data.source": "digits", "model.hidden": [32], "train.epochs": 2, "train.batch_size": 64}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def quick_plan() -> Callable[..., Plan]:
    """Two arms, two seeds, two epochs."""
    return lambda **more: plan_comparison("batchnorm", {**QUICK, **more}, seeds=2)


@pytest.fixture
def server_later(home: Path) -> Iterator[MlflowServer]:
    """MLflow's tracking server, not started yet."""
    made = MlflowServer(home)
    yield made
    made.kill()
