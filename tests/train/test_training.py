"""Training runs on the built-in digits: they learn, repeat, stop, go on, and fail in words."""

import csv
import json
import os
import signal
import subprocess
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from eyas.core.config import load_config
from eyas.core.errors import ConfigError, DataError, DivergenceError, ResumeError, TrainingError
from eyas.core.runs import RunFolder, open_run
from eyas.nn import build_network, load_network, load_weights
from eyas.train import Callback, evaluate_run, prepare_run, resume_run, start_run
from eyas.train.precision import choose_precision
from support.datasets import changed
from support.loaded import loaded_eyas
from support.training import StopAfter, assert_same_weights, weights

FAST = ("train.precision=fp32", "train.epochs=3", "train.batch_size=64")


@pytest.fixture
def config(tmp_path):
    def make(*words):
        return load_config(None, [f"runs_dir={tmp_path}/runs", "data.source=digits", *FAST, *words])

    return make


# Keras's momentum of 0.99 lags behind 45 steps an epoch by how much the processor's rounding decides.
@pytest.mark.parametrize("model", [("model=mlp",), ("model=cnn", "model.batch_norm_momentum=0.9")], ids=["mlp", "cnn"])
def test_a_network_learns_the_digits(config, digits, model):
    result = start_run(config(*model, "train.epochs=8", "train.batch_size=32"), digits)
    assert result.finished
    assert evaluate_run(result.run, digits, "test").accuracy > 0.9
    with result.run.history.open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 9))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert result.run.read_metrics()["test"]["accuracy"] > 0.9


def test_the_same_seed_gives_the_same_weights_and_another_does_not(config, digits):
    one, again, other = (start_run(config(f"train.seed={seed}"), digits) for seed in (0, 0, 1))
    assert_same_weights(weights(one.run), weights(again.run))
    with pytest.raises(AssertionError):
        assert_same_weights(weights(one.run), weights(other.run))
    assert one.run.path != again.run.path


def test_best_weights_are_those_of_the_best_epoch(config, digits):
    result = start_run(config("train.epochs=6", "train.learning_rate=0.05"), digits)
    best = min(result.history, key=lambda row: row.val_loss)
    assert result.best == best
    network, about = load_network(result.run)
    assert about["epoch"] == best.epoch
    images, labels = torch.from_numpy(digits.val.take(slice(None))), torch.tensor(digits.val.labels)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(network(images), labels).item()
    assert loss == pytest.approx(best.val_loss, rel=1e-4)


def test_training_stops_early(config, digits):
    words = ("train.epochs=50", "train.learning_rate=0.3", "train.early_stopping.patience=2")
    result = start_run(config(*words), digits)
    assert result.finished
    assert len(result.history) == result.best.epoch + 2 < 50


def test_the_reported_loss_counts_l2_as_keras_does(config, digits):
    words = ("train.learning_rate=1e-12", "train.epochs=1", "model.dropout=0")
    plain = start_run(config(*words), digits)
    penalised = start_run(config(*words, "model.l2=0.001"), digits)
    penalty = load_network(penalised.run)[0].penalty().item()
    assert penalised.history[0].loss - plain.history[0].loss == pytest.approx(penalty, rel=1e-3)
    assert penalised.history[0].val_loss - plain.history[0].val_loss == pytest.approx(penalty, rel=1e-3)


def test_balanced_class_weights_help_the_rare_class(config, digits):
    rows = np.flatnonzero(digits.train.labels != 8)
    rare = np.sort(np.concatenate([rows, np.flatnonzero(digits.train.labels == 8)[:4]]))
    lopsided = changed(
        digits, train=replace(digits.train, rows=digits.train.rows[rare], labels=digits.train.labels[rare])
    )
    recalls = []
    for weight in ("none", "balanced", "{8: 40}"):
        run = start_run(config("train.epochs=6", f"train.class_weight={weight}"), lopsided).run
        recalls.append(evaluate_run(run, lopsided, "test").recall[8])
    assert min(recalls[1:]) > recalls[0]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "rmsprop"])
def test_every_optimiser_lowers_the_loss(config, digits, optimizer):
    rows = start_run(config(f"train.optimizer={optimizer}"), digits).history
    assert rows[-1].loss < rows[0].loss


def test_a_schedule_ends_low_and_goes_on_exactly(config, digits):
    words = ("train.schedule=cosine", "train.warmup_epochs=1", "train.epochs=4")
    whole = start_run(config(*words), digits)
    rates = [row.learning_rate for row in whole.history]
    assert rates[0] == pytest.approx(0.001, rel=0.05)
    assert rates[-1] < 1e-5
    stopped = start_run(config(*words), digits, [StopAfter(2)])
    assert not stopped.finished
    resumed = resume_run(stopped.run, digits)
    assert [row.learning_rate for row in resumed.history] == rates
    assert_same_weights(weights(resumed.run, "last.pt"), weights(whole.run, "last.pt"))
    longer = config(*words, "train.epochs=6")
    with pytest.raises(ResumeError, match=r"train\.epochs: 4 → 6"):
        resume_run(stopped.run, digits, config=longer)


def test_smoothed_labels_raise_the_training_loss_and_not_the_validation_loss(config, digits):
    words = ("train.learning_rate=1e-12", "train.epochs=1", "model.dropout=0")
    plain, smooth = (start_run(config(*words, f"train.label_smoothing={s}"), digits) for s in (0, 0.5))
    assert plain.history[0].loss != smooth.history[0].loss
    assert plain.history[0].val_loss == pytest.approx(smooth.history[0].val_loss, rel=1e-5)


def test_a_clipped_gradient_moves_the_weights_no_further_than_allowed(config, digits):
    words = ("train.optimizer=sgd", "train.learning_rate=1", "train.batch_size=2000", "train.epochs=1")
    settings = config(*words, "train.clip_norm=0.01")
    torch.manual_seed(settings.train.seed)
    first = build_network(settings.model, digits.policy.shape, 10, [0.0], [1.0])
    after, _ = load_network(start_run(settings, digits).run)
    moved = sum(
        ((a - b) ** 2).sum() for a, b in zip(first.parameters(), after.parameters(), strict=True)
    ).sqrt()  # one step of rate 1
    assert moved.item() == pytest.approx(0.01, rel=1e-3)


def test_bf16_trains_too(config, digits):
    result = start_run(config("train.precision=bf16", "train.epochs=5"), digits)
    assert result.precision == "bf16"
    assert result.best.val_accuracy > 0.9


def test_the_precision_probe_is_remembered_and_leaves_the_random_generator_alone(digits, config, tmp_path, monkeypatch):
    monkeypatch.setenv("EYAS_CACHE_DIR", str(tmp_path))
    result = start_run(config(), digits)
    network, _ = load_network(result.run)
    images, labels = torch.from_numpy(digits.val.take(slice(None))), torch.tensor(digits.val.labels)
    before = torch.get_rng_state()
    first = choose_precision(network, images, labels)
    assert torch.equal(torch.get_rng_state(), before)
    (kept,) = (tmp_path / "precision").iterdir()
    measured = json.loads(kept.read_text())
    assert measured["precision"] == first
    other = "bf16" if first == "fp32" else "fp32"
    kept.write_text(json.dumps({**measured, "precision": other}))
    assert choose_precision(network, images, labels) == other  # read, not measured again
    kept.write_text('{"precision": ')
    assert choose_precision(network, images, labels) in ("fp32", "bf16")  # damaged: measured again
    assert json.loads(kept.read_text())["measured_on"] == measured["measured_on"]


def test_a_run_without_validation_monitors_the_training_loss(config, digits):
    empty = replace(digits.val, rows=digits.val.rows[:0], labels=digits.val.labels[:0])
    without = changed(digits, val=empty)
    with pytest.raises(ConfigError, match=r"train\.monitor=val_loss needs a validation split"):
        start_run(config(), without)
    result = start_run(config("train.monitor=loss"), without)
    assert result.history[0].val_loss is None
    with result.run.history.open() as file:
        assert [row["val_loss"] for row in csv.DictReader(file)] == [""] * 3


def test_a_loss_that_explodes_stops_training_in_words(config, digits):
    said = r"epoch 1, step \d+, at learning rate .*; start a new run with train\.learning_rate=1e\+19$"
    with pytest.raises(DivergenceError, match=said):
        start_run(config("train.learning_rate=1e20", "train.optimizer=sgd", "train.epochs=20"), digits)


def test_a_network_that_its_last_step_broke_is_not_saved(config, digits, tmp_path):
    words = ("train.learning_rate=1e30", "train.optimizer=sgd", "train.batch_size=2000")  # one step an epoch
    with pytest.raises(DivergenceError, match=r"became|no longer finite"):
        start_run(config(*words), digits)
    (run,) = (tmp_path / "runs").iterdir()
    assert {entry.name for entry in run.iterdir()} == {"config.yaml", "history.csv", "state.json", ".lock"}


class Closed(Callback):
    """Notes its last call."""

    def __init__(self):
        self.calls = []

    def on_end(self, end):
        self.calls.append("end")

    def close(self):
        self.calls.append("close")


def test_callbacks_are_closed_whether_training_ends_or_fails(config, digits):
    ended, failed = Closed(), Closed()
    start_run(config(), digits, [ended])
    with pytest.raises(DivergenceError):
        start_run(config("train.learning_rate=1e30", "train.optimizer=sgd"), digits, [failed])
    assert (ended.calls, failed.calls) == (["end", "close"], ["close"])


class Pauses(Callback):
    """Notes how each part of a run ended."""

    def __init__(self):
        self.calls = []

    def on_pause(self, end):
        self.calls.append(("pause", end.best.epoch if end.best else None))

    def on_end(self, end):
        self.calls.append(("end", end.finished))


def test_a_run_that_pauses_goes_on_as_if_it_had_not(config, digits):
    # The schedule unfolds over all epochs; dropout and momentum carry state over the pause.
    words = (
        "train.optimizer=sgd",
        "train.momentum=0.9",
        "train.schedule=one_cycle",
        "train.epochs=4",
        "model.dropout=0.3",
    )
    whole = start_run(config(*words), digits)
    parts, seen = prepare_run(config(*words), digits), Pauses()
    for until, epochs in ((1, 1), (1, 1), (3, 3)):  # once more to where it is: nothing to do
        result = resume_run(parts, digits, [seen], until=until)
        assert (result.finished, result.paused, len(result.history)) == (False, True, epochs)
    assert resume_run(parts, digits, [seen], until=9).finished
    assert [call for call, _ in seen.calls] == ["pause", "pause", "pause", "end"]
    assert_same_weights(weights(whole.run, "last.pt"), weights(parts, "last.pt"))
    assert_same_weights(weights(whole.run), weights(parts))


def test_a_run_begins_with_another_s_weights(config, digits):
    first = start_run(config(), digits).run
    again = start_run(config(f"train.start_from={first.path}", "train.learning_rate=1e-9", "train.epochs=1"), digits)
    assert again.best.val_accuracy == pytest.approx(evaluate_run(first, digits, "val").accuracy)
    with pytest.raises(ConfigError, match=r"same network; in .* must have the shape \[16, 64\], got \[512, 64\]"):
        start_run(config(f"train.start_from={first.path}", "model.hidden=[16]"), digits)
    with pytest.raises(ConfigError, match=r"is not a run folder"):
        start_run(config("train.start_from=nowhere"), digits)


def test_a_diverged_run_is_told_a_lower_rate_of_its_own_not_of_its_warm_up(config, digits):
    words = ("train.learning_rate=1e30", "train.optimizer=sgd", "train.schedule=cosine", "train.warmup_epochs=2")
    with pytest.raises(DivergenceError, match=r"start a new run with train\.learning_rate=1e\+29"):
        start_run(config(*words), digits)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train.nesterov=true",), "train.nesterov needs train.optimizer=sgd"),
        (("train.device=cuda",), "needs a CUDA GPU"),
        (("train.momentum=0.9",), "train.momentum is for sgd and rmsprop; adam would ignore 0.9"),
        (("train.optimizer=muon", "train.momentum=0.9"), "its own is train.muon.momentum"),
        (("train.optimizer=muon",), "train.optimizer=muon needs a network with convolutions"),
        (("train.image_sizes={0: 6, 0.5: 8}",), r"a network that takes images of any size .* got mlp"),
        (
            ("model=resnet", "model.widths=[8]", "train.image_sizes={0: 1, 0.5: 8}"),
            r"must be sides that the network can take, got 1",
        ),
        (("train.teacher=nowhere",), r"train\.teacher must be a run folder or a bundle: nowhere"),
        (("model=cnn", "train.batch_size=4", "train.accumulate=4"), "at least 2 in each of 4 parts .* got 1"),
        (("augment.crop=8",), "augment.crop must be"),
        (("train.distillation.weight=0.5",), r"train\.distillation would do nothing without train\.teacher"),
        (("train.muon.momentum=0.9",), r"train\.muon would do nothing without train\.optimizer=muon"),
        (("train.launcher=ray",), r"train\.launcher=ray would do nothing without train\.workers of 2"),
        (("augment.policy_ops=3",), r"would do nothing without augment\.policy=randaugment"),
        (("augment.strong_until=0.5", "augment.flip=random"), r"augment\.strong_until would do nothing without"),
        (("train.warmup_epochs=3",), r"train.warmup_epochs must be below train.epochs=3"),
        (("train.warmup_epochs=1", "train.schedule=one_cycle"), "and 0 with one_cycle"),
        (("train.class_weight={seven: 2}",), "train.class_weight names no class of digits: seven"),
        (("model=cnn", "train.batch_size=1"), "train.batch_size must be at least 2 for a network with batch norm"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_a_folder_is_made(config, digits, tmp_path, words, said):
    if "cuda" in words[0] and torch.cuda.is_available():
        pytest.skip("this machine has the GPU whose absence is tested")
    with pytest.raises(ConfigError, match=said):
        start_run(config(*words), digits)
    assert not (tmp_path / "runs").exists()


def test_a_custom_network_travels_with_its_run(config, digits, tmp_path):
    source = tmp_path / "mine.py"
    source.write_text(
        "from torch import nn\n"
        "def build(input_shape, classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))\n"
    )
    run = start_run(config(f"model={source}:build"), digits).run
    source.unlink()
    assert run.path.name == "digits-mine-1"
    assert evaluate_run(run, digits, "test").accuracy > 0.5


# --- stopped and gone on -------------------------------------------------------------------------------------------

LONG = ("train.epochs=6", "model=cnn", "model.batch_norm_momentum=0.9", "train.checkpoint_minutes=0.002")


def _train_in_a_process(tmp_path, *arguments):
    command = [loaded_eyas(), "train", *arguments]
    return subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE)


def _within_the_third_epoch(run):
    position = load_weights(run.last)["position"]
    return position["epoch"] >= 2 and position["step"] > 0


def _wait_for(condition, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "training ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, digits):
    """The run of `LONG` that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    return start_run(load_config(None, [f"runs_dir={folder}", "data.source=digits", *FAST, *LONG]), digits)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path, whole, digits, number):
    words = (*FAST, *LONG, "runs_dir=stopped")
    process = _train_in_a_process(tmp_path, "digits", *words)
    run = RunFolder(tmp_path / "stopped" / "digits-cnn-1")
    _wait_for(lambda: run.last.exists() and _within_the_third_epoch(run), process)
    os.kill(process.pid, number)
    output, _ = process.communicate(timeout=60)
    position = load_weights(run.last)["position"]
    assert 2 <= position["epoch"] < 6
    assert position["step"] > 0 or position["epoch"] > 2
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert b"--resume" in output

    result = resume_run(open_run(run.path), digits)
    assert result.finished
    assert_same_weights(weights(run, "last.pt"), weights(whole.run, "last.pt"))
    assert_same_weights(weights(run), weights(whole.run))
    assert [row.loss for row in result.history] == [row.loss for row in whole.history]


def test_a_run_killed_before_its_first_checkpoint_starts_again(config, digits):
    run = start_run(config(), digits).run
    expected = weights(run)
    for file in (run.last, run.best, run.history):
        file.unlink()
    resume_run(run, digits)
    assert_same_weights(weights(run), expected)


def test_a_kill_between_checkpoint_and_history_loses_no_row(config, digits):
    run = start_run(config(), digits).run
    expected = run.history.read_text()
    run.history.unlink()
    resume_run(run, digits)
    assert run.history.read_text() == expected


def test_more_epochs_may_be_asked_for(config, digits):
    settings = config()
    run = start_run(settings, digits).run
    longer = settings.model_copy(update={"train": settings.train.model_copy(update={"epochs": 5})})
    assert len(resume_run(run, digits, config=longer).history) == 5
    assert run.config().train.epochs == 5
    at_once = start_run(config("train.epochs=5"), digits).run
    assert_same_weights(weights(run, "last.pt"), weights(at_once, "last.pt"))


def test_a_changed_configuration_is_refused_by_its_keys(config, digits):
    run = start_run(config(), digits).run
    with pytest.raises(ResumeError, match=r"model\.dropout: 0\.2 → 0\.5; train\.batch_size: 64 → 32"):
        resume_run(run, digits, config=config("train.batch_size=32", "model.dropout=0.5"))


def test_other_data_are_refused(config, digits):
    run = start_run(config(), digits).run
    with pytest.raises(DataError, match=r"digits-mlp-1 was trained on other data than digits is now"):
        resume_run(run, changed(digits, fingerprint="0" * 64))


def test_a_damaged_checkpoint_is_named(config, digits):
    run = start_run(config(), digits).run
    run.last.write_bytes(run.last.read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"last\.pt is damaged"):
        resume_run(run, digits)
