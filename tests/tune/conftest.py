"""A working directory, a space of two keys, and one small search that several tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from eyas.cli import app

SPACE = """\
train.optimizer: [adam, sgd]
train.learning_rate: {low: 1e-4, high: 1e-1, log: true}
train.momentum: {low: 0.0, high: 0.95, when: {train.optimizer: sgd}}
model.hidden: [[16], [32], [32, 16]]
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_MODE", "EYAS_TUNE_STORAGE"):
        monkeypatch.delenv(name, raising=False)
    Path("space.yaml").write_text(SPACE)
    return tmp_path


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search over `SPACE`."""
    home = tmp_path_factory.mktemp("searched")
    (home / "space.yaml").write_text(SPACE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        words = ["model.hidden=[32]", "train.epochs=4", "--space", "space.yaml", "--trials", "5", "--workers", "2"]
        words += ["--alone"]
        done = CliRunner().invoke(app, ["tune", "digits", *words, "--sampler", "tpe", "--seeds", "2"])
        assert done.exit_code == 0, done.output
    return home / "runs" / "digits-tune-1"
