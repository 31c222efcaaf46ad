"""A run in MLflow's SQLite store, read back by MLflow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from mlflow import MlflowClient

from eyas import __version__
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.track.afterwards import record_evaluation
from eyas.track.delivery.process import deliver
from eyas.track.delivery.spool import Spool
from eyas.track.trackers import Curves, make_trackers
from eyas.train import Callback, EpochEnd, TrainResult, evaluate_run, resume_run, start_run
from support.tracking import FAST, eyas, history, only_run, store, waiting
from support.training import StopAfter
from support.waiting import wait_until


def artifacts(folder: str | None = None) -> set[str]:
    client = MlflowClient(store())
    return {file.path for file in client.list_artifacts(only_run().info.run_id, folder)}


def train(config: Config, digits: Dataset) -> TrainResult:
    return start_run(config, digits, [Curves(), *make_trackers(config.track)])


def test_a_run_in_the_default_store(home: Path, config: Callable[..., Config], digits: Dataset) -> None:
    words = ("track=[mlflow]", "train.optimizer=sgd", "model.dropout=0.3", "train.seed=4", "train.monitor=val_accuracy")
    result = train(config(*words), digits)
    run = only_run()
    assert (run.info.run_name, run.info.status) == (result.run.path.name, "FINISHED")

    course = {"epochs": "3", "batch_size": "64", "dropout_rate": "0.3", "optimizer": "sgd", "seed": "4"}
    assert run.data.params.items() >= {**course, "learning_rate": "0.01"}.items()
    assert run.data.params.items() >= {"train.epochs": "3", "model.hidden": "[512]", "train.ema": "null"}.items()

    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "val_macro_f1", "learning_rate"):
        assert history(name) == [(row.epoch, getattr(row, name)) for row in result.history]
    steps = [step for step, _ in history("step_loss")]
    assert steps == list(range(10, 3 * 23 + 1, 10))
    best = result.best
    assert best
    assert run.data.metrics["best_val_accuracy"] == best.val_accuracy

    assert artifacts() == {"best.pt", "config.yaml", "curves.png", "history.csv", "pictures"}
    assert artifacts("pictures") == {"pictures/confusion.png"}
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("digits", digits.fingerprint[:32])
    assert json.loads(used.dataset.profile)["train"] == len(digits.train)
    assert run.data.tags["eyas.version"] == __version__
    assert run.data.tags["eyas.run"] == str(home / result.run.path)
    assert (home / "mlruns").is_dir()


def test_an_evaluation_comes_later_from_elsewhere(
    home: Path, config: Callable[..., Config], digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = train(config("track=[mlflow]", "train.epochs=1", f"runs_dir={home}/runs"), digits)
    (home / "elsewhere").mkdir()
    monkeypatch.chdir(home / "elsewhere")
    found = evaluate_run(result.run, digits, "test")
    for _ in range(2):  # the same answer is not written twice
        record_evaluation(result.run, "test", found.summary())
    uri = f"sqlite:///{home}/mlflow.db"
    assert history("test_accuracy", uri) == [(0, found.accuracy)]
    assert only_run(uri=uri).data.metrics["test_accuracy_low"] == found.intervals["accuracy"][0]
    assert only_run(uri=uri).info.status == "FINISHED"
    assert not (home / "elsewhere" / "mlflow.db").exists()


def test_settings_of_the_environment(
    config: Callable[..., Config], digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "Course")
    run = config("track=[mlflow]", "train.epochs=1", 'train.class_weight={"0": 2.0}')
    train(run, digits)
    assert only_run("Course").data.params["train.class_weight"] == '{"0": 2.0}'


def test_sending_twice_leaves_the_store_as_once(config: Callable[..., Config], digits: Dataset) -> None:
    result = train(config("track=[mlflow]", "train.epochs=2"), digits)
    before, run = history("step_loss"), only_run()
    state = result.run.path / "track" / "mlflow.json"
    state.unlink()  # the sender died between its request and its note
    (outcome,) = deliver(Spool(result.run.path))
    assert (outcome.left, outcome.error, outcome.refused) == (0, None, None)
    assert (history("step_loss"), len(history("loss"))) == (before, 2)
    again = only_run()
    assert (again.data.metrics, again.data.params, again.data.tags) == (
        run.data.metrics,
        run.data.params,
        run.data.tags,
    )
    assert again.info.status == "FINISHED"


def test_what_a_store_refuses_holds_nothing_up(
    config: Callable[..., Config], digits: Dataset, capfd: pytest.CaptureFixture[str]
) -> None:
    result = train(config("track=[mlflow]", "train.epochs=1"), digits)
    MlflowClient(store()).delete_run(only_run().info.run_id)
    record_evaluation(result.run, "test", evaluate_run(result.run, digits, "test").summary())
    assert "mlflow took all but what it refuses" in capfd.readouterr().err
    assert [outcome.left for outcome in deliver(Spool(result.run.path))] == [0]


def test_a_continuation_waits_for_the_sender_before_it(config: Callable[..., Config], digits: Dataset) -> None:
    settings = config("track=[mlflow]")
    stopped = start_run(settings, digits, [StopAfter(1), *make_trackers(settings.track)])

    class Release(Callback):
        """The sender of the training before lets go in the middle of this one."""

        def __init__(self, stack: ExitStack) -> None:
            self.stack = stack

        def on_epoch(self, end: EpochEnd) -> None:
            self.stack.close()

    with ExitStack() as stack:
        assert stack.enter_context(Spool(stopped.run.path).lock("mlflow"))
        resume_run(stopped.run, digits, [Release(stack), *make_trackers(settings.track)])
    assert only_run().info.status == "FINISHED"
    assert [step for step, _ in history("loss")] == [1, 2, 3]


def test_an_artifact_store_out_of_reach_holds_nothing_up(
    config: Callable[..., Config], digits: Dataset, capfd: pytest.CaptureFixture[str]
) -> None:
    MlflowClient(store()).create_experiment("digits", artifact_location="s3://nowhere/at-all")  # boto3 is not here
    result = train(config("track=[mlflow]", "train.epochs=1"), digits)
    assert only_run().info.status == "FINISHED"
    (warning,) = capfd.readouterr().err.splitlines()
    assert "mlflow took all but what it refuses: No module named" in warning
    assert waiting(result.run) == 0


def test_a_stopped_run_goes_on_in_the_same_mlflow_run(config: Callable[..., Config], digits: Dataset) -> None:
    settings = config("track=[mlflow]")
    stopped = start_run(settings, digits, [StopAfter(1), *make_trackers(settings.track)])
    assert only_run().info.status == "KILLED"
    resume_run(stopped.run, digits, make_trackers(settings.track))
    assert only_run().info.status == "FINISHED"
    assert [step for step, _ in history("loss")] == [1, 2, 3]
    assert [step for step, _ in history("step_loss")] == list(range(10, 3 * 23 + 1, 10))


@pytest.mark.slow
def test_a_killed_run_goes_on_in_the_same_mlflow_run(home: Path) -> None:
    words = ("train.epochs=300", "train.early_stopping=null", "train.learning_rate=1e-4")
    command = [sys.executable, "-m", "eyas", "train", *(word for word in FAST if "epochs" not in word), *words]
    with subprocess.Popen(
        [*command, "track=[mlflow]"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        folder = home / "runs" / "digits-mlp-1"
        file, state = folder / "history.csv", folder / "track" / "mlflow.json"
        wait_until(lambda: state.exists() and file.exists() and len(file.read_text().splitlines()) > 3, 60)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: only_run().info.status == "FAILED", 60)

    last = len(file.read_text().splitlines()) + 1  # two more
    done = eyas("train", "--resume", "runs/digits-mlp-1", f"train.epochs={last}")
    assert "mlflow ui --backend-store-uri sqlite:///mlflow.db" in done.stdout
    run = only_run()
    assert (run.info.status, run.data.params["epochs"]) == ("FINISHED", "300")
    assert run.data.tags["resumed.train.epochs"] == str(last)
    assert [step for step, _ in history("loss")] == list(range(1, last + 1))
    steps = [step for step, _ in history("step_loss")]
    assert steps == sorted(set(steps))
    assert steps[0] == 10
    assert steps[-1] == last * 23 // 10 * 10
