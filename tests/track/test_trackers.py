"""Trackers never end a training, are loaded only when asked for, and say what they need."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from eyas.core.errors import MissingExtraError
from eyas.core.runs import RunFolder
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.track.delivery.spool import Spool
from eyas.track.trackers import Guarded, make_trackers, where_to_look
from eyas.train import Callback, start_run
from eyas.train.callbacks import EpochEnd
from support.tracking import eyas


class Broken(Callback):
    def on_epoch(self, end: EpochEnd) -> None:
        raise OSError(28, "No space left on device")


def test_a_tracker_that_fails_is_said_once_and_the_training_goes_on(
    config: Callable[..., Config], digits: Dataset, capfd: pytest.CaptureFixture[str]
) -> None:
    assert start_run(config(), digits, [Guarded("something", Broken())]).finished
    warning = "warning: tracking with something stopped: [Errno 28] No space left on device; the training goes on\n"
    assert capfd.readouterr().err == warning


@pytest.mark.parametrize(("name", "extra"), [("tensorboard", "track"), ("mlflow", "track"), ("wandb", "wandb")])
def test_a_missing_library_names_its_extra(name: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eyas.core.errors.find_spec", lambda wanted: None)
    with pytest.raises(MissingExtraError, match=rf'{name} is not installed.*pip install "eyas\[{extra}\]"'):
        make_trackers([name])


LIBRARIES = ("mlflow", "wandb", "tensorboard", "sqlalchemy")


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import eyas.cli\ntry: eyas.cli.app(['--help'])\nexcept SystemExit: pass", (*LIBRARIES, "torch")),
        ("import eyas.track.trackers, eyas.track.afterwards", LIBRARIES),
        ("import eyas.track.delivery.sender", (*LIBRARIES, "torch", "matplotlib")),
    ],
)
def test_libraries_are_loaded_when_they_are_used(code: str, absent: tuple[str, ...]) -> None:
    code += f"\nimport sys; print([name for name in {absent} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.strip() == "[]"


def run_of(home: Path) -> Path:
    folder = home / "runs" / "recorded"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_where_to_look(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(Path("runs/digits-1"))
    board, store = where_to_look(["tensorboard", "mlflow"], run)
    assert board == "tensorboard --logdir runs"
    assert store.startswith("mlflow ui --backend-store-uri sqlite:///mlflow.db")
    Spool(run_of(home)).append({"kind": "start", "key": "k", "uri": "https://recorded.example.org"})
    assert where_to_look(["mlflow"], RunFolder(run_of(home))) == ["https://recorded.example.org"]
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert where_to_look(["wandb"], run) == []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@example.org")
    assert where_to_look(["mlflow"], run) == ["https://example.org"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////data/x.db")
    assert where_to_look(["mlflow"], run)[0].startswith("mlflow ui --backend-store-uri sqlite:////data/x.db")


def test_a_run_without_trackers_has_nothing_to_send(config: Callable[..., Config], digits: Dataset) -> None:
    result = start_run(config("train.epochs=1"), digits)
    assert "has nothing to send" in eyas("track", "sync", result.run.path, code=2).stderr
    assert "is not a run folder" in eyas("track", "sync", "runs", code=2).stderr
    assert "Example: eyas track sync" in eyas("track", "sync", "--help").stdout
