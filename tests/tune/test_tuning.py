"""Searches of the digits from end to end, and what ends them early."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from eyas.cli import app
from eyas.cli.road import look
from eyas.core.config import load_config
from eyas.core.errors import EyasError
from eyas.core.io import read_json
from eyas.core.marks import FOUND, STATE
from eyas.core.runs import RunFolder
from eyas.train import read_result
from eyas.tune.plan import load_plan, save_plan
from eyas.tune.running import read_trials
from support.tracking import put_store, store
from support.tuning import start
from support.waiting import wait_until

SLOW = (
    "model.hidden=[256]",
    "train.batch_size=8",
    "train.epochs=9",
    "--space",
    "slow.yaml",
    "--sampler",
    "random",
    "--alone",
)
SLOW_SPACE = "model.hidden: [[128], [256]]\nmodel.dropout: {low: 0.0, high: 0.5}\n"


def test_what_a_search_leaves(searched, digits):
    found = json.loads((searched / FOUND).read_text())
    plan, records = load_plan(searched), read_trials(searched)
    assert found["schema_version"] == 1
    assert [one["number"] for one in found["trials"]] == list(range(len(records)))
    new = [one for one in records if one.continues is None]
    assert len(new) == found["totals"]["configurations"] == 5
    assert plan.rungs == (1, 4)
    assert new[0].baseline
    assert (new[0].epochs, new[0].state, new[0].params["train.learning_rate"]) == (4, "complete", 0.001)
    (best,) = [one for one in records if one.number == found["best"]["number"]]
    assert (best.rung, best.epochs, best.state) == (1, 4, "complete")
    assert found["baseline"]["value"] == new[0].value
    assert found["environment"]["torch"]
    assert all(one.run == records[one.continues].run for one in records if one.continues is not None)

    for one in new:  # the value is that of the weights that the run keeps, and nothing was trained twice
        rows = read_result(RunFolder(searched / "runs" / one.run), digits).history
        last = max((other for other in records if other.run == one.run), key=lambda other: other.rung)
        assert len(rows) == last.epochs
        assert max(row.val_accuracy for row in rows) == pytest.approx(last.value)
        assert list(last.curve)[-1] == last.epochs


def test_the_best_is_compared_with_the_baseline_for_the_same_seeds(searched, digits):
    found = json.loads((searched / FOUND).read_text())["final"]
    assert found["seeds"] == [1, 2]  # not the one that the search trained with
    assert set(found["arms"]) == {"baseline", "tuned"}
    tuned, base = found["arms"]["tuned"], found["arms"]["baseline"]
    gain = tuned["test_accuracy"]["mean"] - base["test_accuracy"]["mean"]
    assert found["test_difference"]["mean"] == pytest.approx(gain)
    assert found["beats_the_baseline_beyond_noise"] == (gain > 0 and found["test_difference"]["p"] < 0.05)
    best = load_config(searched / "best.yaml")
    trained = load_config(searched / "final" / "runs" / tuned["runs"][0] / "config.yaml")
    assert (best.model, best.augment) == (trained.model, trained.augment)
    assert best.train.learning_rate == trained.train.learning_rate != load_plan(searched).base().train.learning_rate


def test_a_search_that_is_over_is_not_repeated(searched, monkeypatch):
    monkeypatch.chdir(searched.parents[1])
    before = {file: file.stat().st_mtime_ns for file in searched.rglob("*.pt")}
    again = json.loads(CliRunner().invoke(app, ["tune", "--resume", "runs/digits-tune-1", "--json"]).stdout)
    assert before == {file: file.stat().st_mtime_ns for file in searched.rglob("*.pt")}
    assert again["final"] == json.loads((searched / FOUND).read_text())["final"]
    said = refused("--resume", "runs/digits-tune-1", "--sampler", "random", "train.epochs=9", code=2)
    assert "leave train.epochs=9 and --sampler out" in said


def trainers(coordinator: int) -> list[int]:
    """Processes that train for it."""
    children = Path(f"/proc/{coordinator}/task/{coordinator}/children").read_text().split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def is_gone(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def refused(*words: object, code: int) -> str:
    """The message of a command that fails, in this process."""
    error = CliRunner().invoke(app, ["tune", *map(str, words)]).exception
    assert isinstance(error, EyasError), error
    assert error.exit_code == code, error
    return str(error)


@pytest.mark.slow
def test_a_search_survives_its_processes(home):
    folder = home / "runs" / "digits-tune-1"
    Path("slow.yaml").write_text(SLOW_SPACE)
    process = start("digits", *SLOW, "--trials", "3", "--workers", "1", "--seeds", "1")
    try:
        wait_until(lambda: (folder / "runs/trial-0/last.pt").exists(), 200)
        (trainer,) = trainers(process.pid)
        os.kill(trainer, signal.SIGKILL)  # one worker dies: the baseline goes on in another
        wait_until(lambda: (folder / "runs/trial-1/last.pt").exists(), 200)
        (trainer,) = trainers(process.pid)
    finally:
        process.kill()  # and now the coordinator
        process.communicate()
    wait_until(lambda: is_gone(trainer), 30)

    before = [one for one in read_trials(folder) if one.state != "running"]
    assert [(one.number, one.deaths, one.state, one.epochs) for one in before[:1]] == [(0, 1, "complete", 9)]
    done = CliRunner().invoke(
        app, ["tune", "--resume", str(folder), "--workers", "1", "--json"], catch_exceptions=False
    )
    found = json.loads(done.stdout)
    after = read_trials(folder)
    assert [one for one in after if one.number < len(before)] == before  # no finished trial again
    assert found["totals"]["configurations"] == 3
    assert {one.state for one in after} <= {"complete", "pruned"}
    assert len({one.run for one in after if one.continues is None}) == 3


@pytest.mark.slow
def test_ctrl_c_stops_at_checkpoints_and_the_time_counts_on(home):
    folder = home / "runs" / "digits-tune-1"
    url = "sqlite:///trials.db"
    Path("slow.yaml").write_text(SLOW_SPACE)
    process = start(
        "digits", *SLOW, "train.epochs=900", "--minutes", "5", "--workers", "1", "--seeds", "1", "--storage", url
    )
    try:
        wait_until(lambda: (folder / "runs/trial-0/last.pt").exists(), 200)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == 130, err
    assert "go on with: eyas tune --resume runs/digits-tune-1" in out
    assert "Traceback" not in err
    assert [one.state for one in read_trials(folder, url)] == ["running"]
    assert [study.finished for study in look(Path()).studies] == [False]
    assert read_json(folder / STATE)["state"] == "stopped"

    assert "give its URL with --storage or in EYAS_TUNE_STORAGE, got none" in refused("--resume", folder, code=2)
    less = refused("--resume", folder, "--storage", url, "--minutes", "0.01", code=2)
    assert "--minutes must be at least the 5 that" in less
    save_plan(replace(load_plan(folder), minutes=0.01), folder)
    spent = refused("--resume", folder, "--storage", url, code=4)
    assert "no trial finished an epoch in the time that it had" in spent


@pytest.mark.slow
@pytest.mark.timeout(600)  # MLflow is loaded by a sender for each of the runs
def test_new_trials_begin_with_the_weights_of_the_best_and_the_store_has_all_runs(home):
    put_store(home)
    Path("rates.yaml").write_text("train.learning_rate: {low: 0.001, high: 0.01}\n")
    words = ["digits", "model.hidden=[32]", "train.epochs=2", "--space", "rates.yaml", "--trials", "3", "--alone"]
    words += ["--workers", "1", "--sampler", "random", "--no-halving", "--seeds", "1", "--inherit", "track=[mlflow]"]
    done = CliRunner().invoke(app, ["tune", *words], catch_exceptions=False)
    assert done.exit_code == 0
    folder = home / "runs/digits-tune-1"
    records = read_trials(folder)
    began = [load_config(folder / "runs" / one.run / "config.yaml").train.start_from for one in records]
    assert began == [None, None, str(folder / "runs/trial-1")]

    found = MlflowClient(store()).search_runs(["1"], max_results=100)
    names = {run.info.run_name for run in found}
    assert names == {"digits-tune-1", "final baseline seed 1", "final tuned seed 1", *(one.run for one in records)}
    (parent,) = [run for run in found if run.info.run_name == "digits-tune-1"]
    children = [run for run in found if run is not parent]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.info.status for run in found} == {"FINISHED"}
    assert parent.data.metrics["best_value"] > 0


@pytest.mark.slow
def test_a_search_where_every_trial_fails_says_why(home):
    Path("space.yaml").write_text("train.learning_rate: {low: 1.0e+25, high: 1.0e+30, log: true}\n")
    words = ("model.hidden=[8]", "train.epochs=1", "train.optimizer=sgd", "train.learning_rate=1e28")
    said = refused("digits", *words, "--space", "space.yaml", "--trials", "9", "--sampler", "random", "--alone", code=4)
    assert "all 5 trials failed, " in said
    assert " of them alike: " in said
    records = read_trials(home / "runs/digits-tune-1")
    assert {one.state for one in records if one.state != "running"} == {"failed"}
    ended = read_json(home / "runs/digits-tune-1" / STATE)
    assert ended["state"] == "failed"
    assert ended["cause"].startswith("all 5 trials failed, ")


def test_bad_words_are_refused_before_anything_is_made(home):
    Path("momentum.yaml").write_text("train.momentum: {low: 0.5, high: 0.9}\n")
    for words, code, says in (
        (("--sampler", "tep"), 2, "did you mean tpe"),
        (("--trials", "1"), 2, "--trials must be at least 2, got 1"),
        (("--minutes", "0"), 2, "--minutes must be greater than 0, got 0"),
        (("--metric", "accuracy"), 2, "--metric must be one of val_loss, val_accuracy"),
        (("--no-halving", "--rungs", "3"), 2, "leave --rungs 3 out"),
        (("--space", "nowhere.yaml"), 2, "cannot read the search space nowhere.yaml"),
        (
            ("--space", "momentum.yaml"),
            2,
            "train.momentum=0.5 of the search space: train.momentum is for sgd and rmsprop",
        ),
        (("data.val_fraction=0",), 2, "data.val_fraction must be greater than 0"),
        (("train.workers=2",), 2, "train.workers must be 1 in a search"),
        (("--storage", "mysql://me@there/x"), 2, "--storage must be sqlite:///FILE or postgresql"),
        (("--storage", "sqlite:///no/such/folder.db"), 4, "the storage sqlite:///no/such/folder.db does not answer"),
        (("--storage", "postgresql+psycopg://me:secret@127.0.0.1:1/x"), 4, "me:***@127.0.0.1:1/x does not answer"),
    ):
        said = refused("digits", *words, *(() if "--sampler" in words else ("--sampler", "random")), code=code)
        assert says in said
        assert "secret" not in said
    assert not Path("runs").exists()
    assert "is not a tuning study" in refused("--resume", "space.yaml", code=2)


@pytest.mark.slow
def test_two_machines_search_together(home):
    url = "sqlite:///together.db"
    words = [
        "digits",
        "model.hidden=[16]",
        "train.epochs=1",
        "--space",
        "space.yaml",
        "--seeds",
        "1",
        "--trials",
        "6",
        "--alone",
    ]
    words += ["--sampler", "random", "--workers", "1", "--storage", url, "--study", "both"]
    both = [start(*words), start(*words, "name=other")]
    try:
        for process in both:
            _, err = process.communicate(timeout=200)
            assert process.returncode == 0, err
    finally:
        for process in both:
            process.kill()
            process.communicate()
    records = read_trials(home / "runs/digits-tune-1", url)
    new = [record for record in records if record.continues is None]
    assert 6 <= len(new) <= 8  # each looks before it asks, and both may look at the same moment
    assert len({record.owner for record in records}) == 2
    assert "has other settings, metric than this one" in refused(*words, "--metric", "val_loss", code=4)
