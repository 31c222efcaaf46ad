"""Models trained as one program end where each would have ended alone."""

import math

import pytest
import torch

from eyas.core.config import load_config
from eyas.core.errors import ConfigError, DivergenceError
from eyas.core.runs import open_run
from eyas.nn import load_weights
from eyas.train import Callback, evaluate_run, resume_run, start_run
from eyas.train.together import can_train_together, resume_together, train_together
from support.training import StopAfter

FAST = ("train.precision=fp32", "train.epochs=2", "train.batch_size=64", "data.source=digits")
MLP = ("model=mlp", "model.hidden=[24]")
# Before batch norm a bias has no gradient but rounding, which Adam would blow up to full steps.
SGD = ("train.optimizer=sgd", "train.learning_rate=0.05", "train.momentum=0.9")
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
        (PLAIN_CNN, ([], ["train.learning_rate=0.01", "model.l2=0.001"])),
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
