"""Small studies of the digits from end to end."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from eyas.compare.job import PREDICTIONS
from eyas.compare.plan import load_plan
from eyas.compare.running import begin_study, finish_comparison, train_all
from eyas.core.config import load_config
from eyas.core.errors import ConfigError
from eyas.core.marks import RESULTS
from eyas.core.runs import RunFolder
from eyas.data import open_dataset
from eyas.train import evaluate_run
from support.terminal import heed_ctrl_c
from support.tracking import eyas
from support.training import assert_same_weights, weights
from support.waiting import wait_until

QUICK = ("model.hidden=[32]", "train.epochs=2", "train.batch_size=64")


def finish(plan):
    dataset = open_dataset(plan.base().data)
    folder = begin_study(plan, dataset)
    assert train_all(folder, plan, dataset)
    return folder, finish_comparison(folder, plan, dataset)


@pytest.mark.slow
def test_a_study_leaves_runs_results_and_a_picture(home, quick_plan):
    plan = quick_plan()
    folder, (result,) = finish(plan)
    assert folder == Path("runs/digits-batchnorm-1")
    runs = sorted(path.name for path in (folder / "runs").iterdir())
    assert runs == [f"{arm}-seed{s}-1" for arm in ("With_batch_norm", "Without_batch_norm") for s in (0, 1)]
    (written,) = json.loads((folder / RESULTS).read_text())
    assert written["ranked_by"] == "val_accuracy"
    assert [arm["arm"] for arm in written["arms"]] == [arm.name for arm in result.arms]
    assert written["arms"][0]["val_accuracy"]["mean"] >= written["arms"][1]["val_accuracy"]["mean"]
    rows = list(csv.DictReader((folder / "results.csv").read_text().splitlines()))
    assert [(row["arm"], row["seed"]) for row in rows] == [(arm.name, s) for arm in result.arms for s in ("0", "1")]
    with Image.open(folder / "curves.png") as picture:
        assert picture.width > 1000

    dataset = open_dataset(plan.base().data)
    for row in rows:  # what is ranked is what `eyas evaluate RUN` measures
        run = RunFolder(folder / "runs" / row["run"])
        assert evaluate_run(run, dataset, "val").accuracy == pytest.approx(float(row["val_accuracy"]))
        assert evaluate_run(run, dataset, "test").accuracy == pytest.approx(float(row["final_test_accuracy"]))
        history = list(csv.DictReader(run.history.read_text().splitlines()))
        assert float(history[int(row["kept_epoch"]) - 1]["val_accuracy"]) == pytest.approx(float(row["val_accuracy"]))


@pytest.mark.slow
def test_a_study_that_is_killed_goes_on_and_ends_the_same(home, quick_plan):
    plan = quick_plan(**{"train.epochs": 3})
    words = ("model.hidden=[32]", "train.epochs=3", "train.batch_size=64", "--seeds", "2", "--jobs", "1")
    command = [sys.executable, "-m", "eyas", "compare", "digits", "--study", "batchnorm", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    folder = home / "runs" / "digits-batchnorm-1"
    wait_until(lambda: list(folder.glob(f"runs/*/{PREDICTIONS}")), 100)
    process.kill()
    process.wait()
    wait_until(lambda: _group_is_gone(process.pid), 30)  # its pool ends with it
    done = {file: file.stat().st_mtime_ns for file in folder.glob(f"runs/*/{PREDICTIONS}")}
    assert 1 <= len(done) < 4

    refused = eyas("compare", "--resume", folder, "train.epochs=9", code=4)
    assert "cannot go on with changed settings (train.epochs: 3 → 9)" in refused.stderr
    answer = eyas("compare", "--resume", folder, "--json")
    assert all(file.stat().st_mtime_ns == before for file, before in done.items())
    assert len(list(folder.glob(f"runs/*/{PREDICTIONS}"))) == 4
    (found,) = json.loads(answer.stdout)["results"]

    whole, (result,) = finish(plan)
    assert [a["val_accuracy"]["mean"] for a in found["arms"]] == [a.val.mean for a in result.arms]
    for run in sorted((whole / "runs").iterdir()):
        assert_same_weights(weights(RunFolder(run)), weights(RunFolder(folder / "runs" / run.name)))

    (config,) = (folder / "runs").glob("With_batch_norm-seed0-1/config.yaml")
    config.write_text(config.read_text().replace("batch_size: 64", "batch_size: 32"))
    refused = eyas("compare", "--resume", folder, code=4)
    assert "With_batch_norm-seed0-1 was begun under other settings" in refused.stderr


def _group_is_gone(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.slow
def test_ctrl_c_stops_at_a_checkpoint(home):
    words = ("model.hidden=[32]", "train.epochs=2000", "train.batch_size=32", "--seeds", "1", "--jobs", "1")
    command = [sys.executable, "-m", "eyas", "compare", "digits", "--study", "batchnorm", *words]
    # A shell that starts the tests in the background has them ignore Ctrl-C; a group of its own leaves nothing behind.
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_ctrl_c,
        start_new_session=True,
    )
    run = home / "runs/digits-batchnorm-1/runs/Without_batch_norm-seed0-1"
    try:
        wait_until(lambda: (run / "last.pt").exists(), 100)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=100)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130, err
    assert "go on with: eyas compare --resume runs/digits-batchnorm-1" in out
    assert "Traceback" not in err
    assert not (run / PREDICTIONS).exists()
    assert [path.name for path in run.parent.iterdir()] == [run.name]


@pytest.mark.slow
def test_an_arm_that_diverges_does_not_end_the_study(home):
    Path("wild.yaml").write_text(
        "settings: {train.epochs: 1, model.hidden: [16], train.optimizer: sgd}\n"
        "arms: {tame: {}, wild: {train.learning_rate: 1.0e+30}}\n"
    )
    done = eyas("compare", "digits", "--study", "wild.yaml", "--seeds", "2")
    assert "wild diverged" in done.stdout
    assert "the loss became" in done.stderr
    again = eyas("compare", "--resume", "runs/digits-wild-1")
    assert again.stdout == done.stdout


def test_bad_words_are_refused_before_anything_is_made(home):
    for words, code, says in (
        (("compare", "digits"), 2, "name a study"),
        (("compare", "digits", "--study", "optimizer"), 2, "did you mean optimizers"),
        (("compare", "digits", "--study", "all", "train.lr=1"), 2, "did you mean train.learning_rate"),
        (("compare", "digits", "--study", "all", "--jobs", "0"), 2, "--jobs must be at least 1, got 0"),
        (("compare", "--study", "all", "--resume", "nowhere"), 2, "leave --study out"),
        (("learning-curve", "digits", "--fractions", "half"), 2, "--fractions must be numbers"),
    ):
        assert says in eyas(*words, code=code).stderr
    assert not Path("runs").exists()


def test_a_study_needs_validation_images(quick_plan, home):
    plan = quick_plan(**{"data.val_fraction": 0.0})
    with pytest.raises(ConfigError, match=r"data\.val_fraction must be greater than 0"):
        begin_study(plan, open_dataset(plan.base().data))


@pytest.mark.slow
def test_a_learning_curve_of_the_digits(home):
    words = ("model.hidden=[64]", "train.epochs=4", "train.batch_size=32", "--fractions", "0.05,0.1,0.25,1")
    answer = eyas("learning-curve", "digits", *words, "--seeds", "2", "--json")
    found = json.loads(answer.stdout)
    assert found["images"] == sorted(found["images"])
    assert found["images"][-1] == len(open_dataset(load_plan(home / found["study"]).base().data).train)
    errors = found["errors"]
    assert all(row[0] > row[-1] for row in errors)
    assert set(found["by_class"]) == set("0123456789")
    assert found["law"]["a"] >= 0
    assert found["conclusion"]
    assert (home / found["study"] / "learning_curve.png").exists()
    runs = home / found["study"] / "runs"
    smallest = load_config(runs / "0.05-seed1-1" / "config.yaml")
    assert (smallest.data.train_fraction, smallest.data.train_fraction_seed, smallest.train.epochs) == (0.05, 1, 80)
    again = eyas("learning-curve", "--resume", found["study"])
    assert found["conclusion"] in again.stdout
    assert "error now" in again.stdout
    assert "belongs to eyas learning-curve" in eyas("compare", "--resume", found["study"], code=2).stderr
