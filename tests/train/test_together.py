"""Models trained as one program end where each would have ended alone."""

import json
import math

import pytest
import torch

from eyas.core.config import load_config
from eyas.core.errors import ConfigError, DivergenceError
from eyas.core.runs import open_run
from eyas.nn import load_weights
from eyas.train import Callback, evaluate_run, prepare_run, resume_run, start_run
from eyas.train.together import can_train_together, resume_together, together_pays, train_together
from eyas.train.together.layers import StackedDropout
from support.training import StopAfter

FAST = ("train.precision=fp32", "train.epochs=2", "train.batch_size=64", "train.threads=1", "data.source=digits")
MLP = ("model=mlp", "model.hidden=[24]")
# Before batch norm a bias has no gradient but rounding, which Adam would blow up to full steps.
SGD = ("train.optimizer=sgd", "train.learning_rate=0.01", "train.momentum=0.9")
NORMED = (*MLP, *SGD, "model.batch_norm=true", "model.hidden=[24, 16]")
CNN = ("model=cnn", *SGD, "model.filters=[4, 8]", "model.dense=[16]")
PLAIN_CNN = (*CNN, "model.dropout=0", "model.dense_dropout=0")
TOLERANCE = 1e-4


@pytest.fixture
def configs(tmp_path):
    def make(shared, *each):
        place = f"runs_dir={tmp_path}/runs"
        return [load_config(None, [place, *FAST, *shared, *words]) for words in each]

    return make


def assert_same(together, alone, tolerance=TOLERANCE):
    """Histories and last weights, up to rounding."""
    assert len(together.history) == len(alone.history)
    for one, other in zip(together.history, alone.history, strict=True):
        for name in ("loss", "val_loss", "learning_rate"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=tolerance), name
        assert one.accuracy == pytest.approx(other.accuracy, abs=0.002)
    mine, theirs = (load_weights(result.run.last) for result in (together, alone))
    assert mine["weights"].keys() == theirs["weights"].keys()
    for name, value in mine["weights"].items():
        torch.testing.assert_close(value, theirs["weights"][name], rtol=1e-3, atol=2e-4, msg=name)
    assert torch.equal(mine["random"], theirs["random"])


@pytest.mark.parametrize(
    ("shared", "each"),
    [
        (("train.optimizer=sgd",), (["train.learning_rate=0.1"], ["train.learning_rate=0.02", "train.momentum=0.9"])),
        (
            ("train.optimizer=sgd", "train.nesterov=true", "train.clip_norm=1", "train.schedule=cosine"),
            (["train.momentum=0.9"], ["train.momentum=0.5", "train.weight_decay=0.01"]),
        ),
        (("train.optimizer=adam",), (["model.l2=0.001"], ["train.learning_rate=0.01", "train.weight_decay=0.1"])),
        (("train.optimizer=adamw",), (["train.label_smoothing=0.1"], ["train.weight_decay=0", "train.seed=3"])),
        (("train.optimizer=rmsprop",), (["train.momentum=0.9"], ["train.learning_rate=0.002"])),
    ],
    ids=["sgd", "nesterov", "adam", "adamw", "rmsprop"],
)
def test_every_optimizer_gives_the_losses_of_runs_alone(configs, digits, shared, each):
    made = configs((*MLP, "model.dropout=0", *shared), *each)
    for config, result in zip(made, train_together(made, digits), strict=True):
        assert result.finished
        assert_same(result, start_run(config, digits))


@pytest.mark.parametrize(
    ("shared", "each"),
    [
        (PLAIN_CNN, ([], ["train.learning_rate=0.003", "model.l2=0.001"])),
        (PLAIN_CNN, (["train.seed=1"], ["train.seed=2"])),
        (CNN, (["model.dropout=0", "model.dense_dropout=0.2"], ["model.dropout=0.3"], ["model.dense_dropout=0"])),
        (NORMED, (["model.dropout=0", "model.input_dropout=0.1"], ["model.dropout=0.5", "train.seed=1"])),
        ((*MLP, "augment.mixup=0.5", "train.class_weight=balanced"), (["train.label_smoothing=0.1"], ["train.seed=5"])),
    ],
    ids=["cnn", "cnn-seeds", "cnn-dropout", "normed-dropout", "mixed"],
)
def test_every_network_gives_the_losses_of_runs_alone(configs, digits, shared, each):
    """Batch norm's statistics, masks of any rate and batches of any seed are each model's own."""
    made = configs(shared, *each)
    for config, result in zip(made, train_together(made, digits), strict=True):
        assert_same(result, start_run(config, digits))


def test_ctrl_c_leaves_runs_that_go_on_alone_and_together(configs, digits):
    """Stopped in the middle of the second epoch: to the last step the runs are as if nothing had happened."""
    made = configs((*MLP, "train.optimizer=adam"), ["model.dropout=0.3"], ["model.dropout=0", "train.seed=2"])
    whole = [start_run(config, digits) for config in made]
    for go_on in (True, False):
        stopped = train_together(made, digits, callbacks=([StopAfter(1)], []))
        assert not any(result.finished for result in stopped)
        assert all(load_weights(result.run.last)["position"]["step"] == 3 for result in stopped)
        runs = [result.run for result in stopped]
        ended = resume_together(runs, digits) if go_on else [resume_run(run, digits) for run in runs]
        for one, other in zip(ended, whole, strict=True):
            assert one.finished
            assert_same(one, other)


def test_until_stops_at_an_epoch_of_the_same_schedule(configs, digits):
    made = configs((*MLP, "train.schedule=cosine"), ["train.learning_rate=0.01"], ["train.learning_rate=0.002"])
    first = train_together(made, digits, until=1)
    assert [(result.finished, len(result.history)) for result in first] == [(False, 1)] * 2
    one, other = resume_together([result.run for result in first], digits)[0], start_run(made[0], digits)
    assert one.finished
    assert_same(one, other)


def test_runs_that_are_behind_catch_up_with_the_others(configs, digits):
    """One not begun, one stopped within its first epoch, one at the end of it, one finished."""
    made = configs((*MLP, "train.epochs=3"), *[[f"train.learning_rate={rate}"] for rate in (0.01, 0.02, 0.03, 0.04)])
    new = prepare_run(made[0], digits)
    within = start_run(made[1], digits, [StopAfter(0)]).run
    (after,) = train_together(made[2:3], digits, until=1)
    ended = start_run(made[3], digits)
    results = resume_together([new, within, after.run, ended.run], digits)
    for config, result in zip(made, results, strict=True):
        assert result.finished
        assert_same(result, start_run(config, digits))


def test_a_model_that_diverges_leaves_the_others_alone(configs, digits, tmp_path):
    shared = (*MLP, "train.optimizer=sgd", "model.dropout=0", "train.learning_rate=0.1")
    made = configs(shared, [], ["train.learning_rate=1e30"], ["train.learning_rate=0.05"])
    seen = [Count() for _ in made]
    targets = [tmp_path / name for name in ("one", "two", "three")]
    sound, broken, other = train_together(made, digits, [[count] for count in seen], targets)
    assert isinstance(broken, DivergenceError)
    assert "at learning rate 1e+30" in str(broken)
    assert not open_run(targets[1]).best.exists()
    assert [(count.epochs, count.ended, count.closed) for count in seen] == [(2, 1, 1), (0, 0, 1), (2, 1, 1)]
    for config, result in ((made[0], sound), (made[2], other)):
        assert_same(result, start_run(config, digits))


def test_each_model_stops_early_and_lowers_its_rate_as_it_would_alone(configs, digits):
    shared = (*MLP, "train.epochs=8", "train.optimizer=sgd", "model.dropout=0")
    rules = ("train.monitor=val_accuracy", "train.early_stopping.patience=3")
    plateau = ("train.reduce_on_plateau.patience=1", "train.reduce_on_plateau.min_learning_rate=0")
    made = configs((*shared, *rules, *plateau), ["train.learning_rate=1e-9"], ["train.learning_rate=0.1"])
    still, learning = train_together(made, digits)
    assert len(still.history) == 4
    assert len(learning.history) > 4
    assert still.history[-1].learning_rate < still.history[0].learning_rate
    for config, result in zip(made, (still, learning), strict=True):
        alone = start_run(config, digits)
        assert_same(result, alone)
        assert result.best.epoch == alone.best.epoch


def test_best_weights_answer_as_the_history_says(configs, digits):
    (result,) = train_together(configs((*CNN, "train.epochs=3"), []), digits)
    evaluation = evaluate_run(result.run, digits, "val")
    assert evaluation.accuracy == pytest.approx(result.best.val_accuracy)
    assert result.run.history.read_text().count("\n") == 4


def test_masks_have_the_exact_rates():
    rates = [0.0, 0.1, 0.7]
    masks = StackedDropout(rates, [torch.Generator().manual_seed(k) for k in range(3)])(torch.ones(1, 500, 400))
    for rate, mask in zip(rates, masks, strict=True):
        deviation = math.sqrt(rate * (1 - rate) / mask.numel())
        assert (mask == 0).double().mean().item() == pytest.approx(rate, abs=4 * deviation)
        assert mask.unique().tolist() == pytest.approx([0, 1 / (1 - rate)] if rate else [1], rel=1e-4)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["train.batch_size=32"], "train.batch_size must be the same in all, got 64 and 32"),
        (["model.hidden=[8]"], "model.hidden must be the same in all"),
        (["model=cnn"], "model.name must be the same in all, got 'mlp' and 'cnn'"),
        (["augment.crop=1"], "augment.crop must be the same in all"),
        (["train.seed=4", "train.momentum=0.5", "name=other", "model.l2=0.1"], None),
    ],
)
def test_what_may_differ(configs, words, reason):
    said = can_train_together(configs((*MLP, "train.optimizer=sgd"), [], words))
    assert said is None if reason is None else said.startswith(reason)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["model=resnet"], "model.name must be mlp or cnn, got resnet"),
        (["train.ema=0.9"], "train.ema must be unset, got 0.9"),
        (["train.sam=0.1"], "train.sam must be unset, got 0.1"),
        (["train.accumulate=2"], "train.accumulate must be 1, got 2"),
        (["train.workers=2"], "train.workers must be 1, got 2"),
        (["train.compile=true"], "train.compile must be false, got True"),
        (["train.optimizer=muon"], "train.optimizer must be adam, adamw, sgd or rmsprop, got muon"),
    ],
)
def test_what_one_program_cannot_do_is_refused(configs, digits, words, reason):
    made = configs((), words, words)
    assert can_train_together(made) == reason
    assert not together_pays(made, digits)
    with pytest.raises(ConfigError, match="cannot be trained together"):
        train_together(made, digits)


def test_the_probe_is_asked_once(configs, digits, tmp_path, monkeypatch):
    monkeypatch.setenv("EYAS_CACHE_DIR", str(tmp_path / "cache"))
    made = configs(MLP, *[[f"model.dropout={rate}"] for rate in (0.1, 0.2, 0.3)])
    random, threads = torch.get_rng_state(), torch.get_num_threads()
    pays = together_pays(made, digits)
    (file,) = (tmp_path / "cache" / "together").iterdir()
    about = json.loads(file.read_text())
    seconds = about["seconds_per_step"]
    assert about["pays"] is pays is (seconds["together"] * 1.1 < 3 * seconds["alone"])
    file.write_text(json.dumps({**about, "pays": not pays}))
    others = configs(MLP, *[[f"model.dropout={rate}"] for rate in (0.5, 0.0, 0.6)])
    assert together_pays(others, digits) is not pays  # a rate does not decide how long a step takes
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.get_num_threads() == threads


class Count(Callback):
    """How often it was called."""

    def __init__(self):
        self.epochs = self.ended = self.closed = 0

    def on_epoch(self, end):
        self.epochs += 1

    def on_end(self, end):
        self.ended += 1

    def close(self):
        self.closed += 1
