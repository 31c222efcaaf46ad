"""Several processes that share each batch learn as one does; one of them may die."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from eyas.core.config import load_config
from eyas.core.errors import ConfigError
from eyas.core.runs import RunFolder
from eyas.nn import load_weights
from eyas.train import resume_run, start_run
from eyas.train.workers import Workers
from support.loaded import loaded_eyas
from support.ray_start import ease_ray

FAST = ("train.precision=fp32", "train.epochs=3", "train.batch_size=64", "model.dropout=0")
pytestmark = pytest.mark.slow


def command(*words, fresh=False):
    return [*([sys.executable, "-m", "eyas"] if fresh else [loaded_eyas()]), "train", "digits", *FAST, *words]


def history(run):
    with run.history.open() as file:
        return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]


def run_in(tmp_path, words):
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def alone(tmp_path, digits):
    return start_run(load_config(None, [f"runs_dir={tmp_path}/alone", "data.source=digits", *FAST]), digits).run


def assert_same_curve(one, other):
    assert len(one) == len(other)
    for mine, theirs in zip(one, other, strict=True):
        for key in ("loss", "accuracy", "val_loss", "val_accuracy", "val_macro_f1", "val_ece"):
            assert mine[key] == pytest.approx(theirs[key], rel=1e-4, abs=1e-5), key


def test_two_workers_learn_what_one_learns(tmp_path, alone):
    run_in(tmp_path, command("train.workers=2"))
    run = RunFolder(tmp_path / "runs" / "digits-mlp-1")
    assert_same_curve(history(run), history(alone))
    one, other = (load_weights(r.best)["weights"] for r in (run, alone))
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=1e-3, atol=1e-4)


def test_torchrun_itself_may_start_them(tmp_path, alone):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    done = run_in(tmp_path, [*launcher, *command("--json", fresh=True)[2:]])
    assert json.loads(done.stdout)["run"].endswith("digits-mlp-1")  # one process speaks, and one made a folder
    assert [entry.name for entry in (tmp_path / "runs").iterdir()] == ["digits-mlp-1"]
    assert_same_curve(history(RunFolder(tmp_path / "runs" / "digits-mlp-1")), history(alone))


LONG = (
    "train.epochs=400",
    "train.early_stopping=null",
    "train.reduce_on_plateau=null",
    "train.checkpoint_minutes=0.001",
)


def start_long(tmp_path, *words):
    process = subprocess.Popen(
        command(*LONG, "train.workers=2", *words, fresh=True),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    run = RunFolder(tmp_path / "runs" / "digits-mlp-1")
    wait_until(run.last.exists, process)
    return process, run


def wait_until(condition, process):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "training ended by itself"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def workers_of(process):
    """The processes that torch's launcher spawned below this one."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    return [int(pid) for pid, parent, args in rows if int(parent) == process.pid and "spawn_main" in args]


def test_a_worker_that_is_killed_is_started_again_and_the_run_ends(tmp_path):
    process, run = start_long(tmp_path)
    before = workers_of(process)
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len(after := workers_of(process)) == 2 and not set(after) & set(before), process)
    epochs = len(history(run))
    wait_until(lambda: len(history(run)) > epochs + 2, process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=180)
    assert process.returncode == 130
    assert [row["epoch"] for row in history(run)] == list(range(1, len(history(run)) + 1))


def ray_workers(run):
    """The processes in which Ray trains this run: they work in its folder, not in that of a test beside this one."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 1) for line in listed.splitlines()[1:]]
    named = [int(pid) for pid, args in rows if args.startswith("ray::") and "TrainWorker" in args]
    return [pid for pid in named if str(run.path.parent.parent) in folder_of(pid)]


def folder_of(pid):
    """Where a process works; empty where it has ended, or is another user's."""
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""


def test_ray_starts_them_and_starts_them_again_where_one_is_killed(tmp_path, tmp_path_factory, alone, monkeypatch):
    ease_ray(tmp_path_factory.mktemp("without"), monkeypatch)
    monkeypatch.setenv("RAY_ADDRESS", "local")  # and not in the cluster of a test beside this one
    process, run = start_long(tmp_path, "train.epochs=60", "train.launcher=ray")
    before = ray_workers(run)
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len(after := ray_workers(run)) == 2 and not set(after) & set(before), process)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 0, output
    assert [row["epoch"] for row in history(run)] == list(range(1, 61))
    assert_same_curve(history(run)[:3], history(alone))


def test_ctrl_c_saves_and_one_process_goes_on_where_two_stopped_and_two_after_it(tmp_path, digits):
    process, run = start_long(tmp_path)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert b"--resume" in output
    done = len(history(run))
    assert done < 400
    words = ["train.workers=1", f"train.epochs={done + 3}"]
    result = resume_run(run, digits, config=load_config(run.config_file, words))
    assert result.finished
    assert len(result.history) == done + 3
    assert result.history[-1].accuracy > 0.9
    run_in(tmp_path, [loaded_eyas(), "train", "--resume", str(run.path), "train.workers=2", f"train.epochs={done + 5}"])
    assert [row["epoch"] for row in history(run)] == list(range(1, done + 6))


def test_what_all_workers_meet_is_told_as_one_process_tells_it(tmp_path):
    words = command("train.workers=2", "train.learning_rate=1e30", "train.optimizer=sgd")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 4
    assert "learning rate 1e+30" in done.stderr
    assert "Traceback" not in done.stderr


def test_batch_norm_in_two_workers_with_a_short_last_batch_and_parts(tmp_path):
    words = ("model=cnn", "model.dropout=0", "train.ema=0.9", "train.accumulate=4", "train.batch_size=29")
    run_in(tmp_path, command("train.workers=2", *words, "train.epochs=2", "data.val_fraction=0.101"))
    rows = history(RunFolder(tmp_path / "runs" / "digits-cnn-1"))
    assert rows[-1]["loss"] < rows[0]["loss"]


def test_several_workers_need_a_launcher(tmp_path, digits):
    config = load_config(None, [f"runs_dir={tmp_path}/runs", "data.source=digits", *FAST, "train.workers=2"])
    with pytest.raises(ConfigError, match=r"train\.workers=2 needs processes that a launcher started"):
        start_run(config, digits)
    assert not (tmp_path / "runs").exists()


def test_one_process_has_every_row():
    alone = Workers()
    assert alone.shard(np.arange(5)).tolist() == [0, 1, 2, 3, 4]
    assert alone.main
    assert alone.any(True, False) == [True, False]
