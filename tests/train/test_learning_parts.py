"""The parts of a recipe: averages, sharpness, Muon, accumulation, teachers, sizes, metrics to watch."""

import copy
import csv
import shutil
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from eyas.core.config import load_config
from eyas.core.errors import ConfigError
from eyas.core.runs import open_run
from eyas.core.schema import DataConfig, ExportConfig
from eyas.data import open_dataset
from eyas.export import export_run
from eyas.nn import Network, Normalise, load_network, load_weights, run_network
from eyas.train import evaluate_fully, evaluate_run, loop, resume_run, start_run
from eyas.train.augment import Augmented
from eyas.train.feed import Feed
from eyas.train.loss import Loss
from eyas.train.optim.choosing import make_optimizer
from eyas.train.optim.ema import MovingAverage
from eyas.train.optim.muon import QUINTIC, Muon, orthogonal
from eyas.train.optim.sam import perturbed
from eyas.train.progress.flat import is_flat
from eyas.train.progress.history import EpochRow
from eyas.train.resizing import resized, side_at
from eyas.train.step import part_count, parts
from support.training import StopAfter, assert_same_weights, weights

FAST = ("train.precision=fp32", "train.epochs=3", "train.batch_size=64")
COMPILES = shutil.which("g++") and Path(sysconfig.get_path("include"), "Python.h").exists()


@pytest.fixture
def config(tmp_path):
    def make(*words):
        return load_config(None, [f"runs_dir={tmp_path}/runs", "data.source=digits", *FAST, *words])

    return make


# --- the average ---------------------------------------------------------------------------------------------------


def test_the_average_is_its_recurrence():
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    average = MovingAverage(network, 0.9)
    expected = network[0].weight.detach().double().clone()
    for step in range(1, 30):
        with torch.no_grad():
            network[0].weight += 1
        network(torch.randn(4, 2))
        average.update()
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * network[0].weight.detach().double()
    torch.testing.assert_close(average.network[0].weight.double(), expected, rtol=1e-5, atol=1e-5)
    assert average.network[1].num_batches_tracked == 29
    assert not average.network[1].running_mean.equal(torch.zeros(3))


def test_the_average_is_what_is_validated_kept_and_resumed(config, digits):
    words = ("train.ema=0.9", "train.epochs=4")
    plain, averaged = start_run(config("train.epochs=4"), digits), start_run(config(*words), digits)
    assert [row.loss for row in plain.history] == [row.loss for row in averaged.history]
    assert plain.history[-1].val_loss != averaged.history[-1].val_loss
    stopped = start_run(config(*words), digits, [StopAfter(2)])
    resume_run(stopped.run, digits)
    assert_same_weights(weights(stopped.run), weights(averaged.run))


# --- sharpness -----------------------------------------------------------------------------------------------------


def test_uphill_moves_the_weights_rho_along_the_gradient_and_back():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))
    before = copy.deepcopy(network.state_dict())
    network(torch.randn(8, 4)).square().sum().backward()
    gradient = torch.cat([w.grad.flatten() for w in network.parameters()])
    seen = copy.deepcopy(network.state_dict())
    with perturbed(network, 0.3):
        moved = torch.cat([(w - before[name]).flatten() for name, w in network.named_parameters()])
        assert all(w.grad is None for w in network.parameters())
        network(torch.randn(8, 4)).square().sum().backward()
        assert network[1].running_mean.equal(seen["1.running_mean"])
    torch.testing.assert_close(moved, 0.3 * gradient / gradient.norm(), rtol=1e-3, atol=1e-6)
    for name, weight in network.named_parameters():
        torch.testing.assert_close(weight, before[name], rtol=1e-5, atol=1e-6)
    assert network[1].momentum == 0.1


def test_sam_trains_otherwise_than_without(config, digits):
    with_it, without = (start_run(config("train.epochs=6", f"train.sam={rho}"), digits) for rho in (0.05, "null"))
    assert with_it.best.val_accuracy > 0.9
    assert with_it.history[0].loss != without.history[0].loss


# --- Muon ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 8), (1, 5)])
def test_newton_schulz_through_the_small_matrix_is_newton_schulz(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    a, b, c = QUINTIC
    x = matrix.double() / (matrix.double().norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    torch.testing.assert_close(orthogonal(matrix, 5).double(), x, rtol=1e-3, atol=1e-3)
    singular = torch.linalg.svdvals(orthogonal(matrix, 5))
    assert singular.min() > 0.6
    assert singular.max() < 1.3


def test_muon_takes_the_kernels_and_adam_the_rest(config):
    network = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(72, 4))
    settings = config("train.optimizer=muon", "train.learning_rate=0.1").train
    optimizer = make_optimizer(settings, network)
    kernels, heads, rest = optimizer.rules
    assert isinstance(kernels, Muon)
    assert [len(rule.weights) for rule in (kernels, heads, rest)] == [1, 1, 3]
    optimizer.schedule(0.5)
    before = network[0].weight.detach().clone()
    network(torch.randn(32, 3, 5, 5)).square().sum().backward()
    optimizer.step()
    assert (kernels.rate, heads.rate, rest.rate) == pytest.approx((0.05, 0.001, 0.0025))
    scaled = before * 8**0.5 / before.norm()
    update = (scaled - network[0].weight.detach()).flatten(1) / 0.05
    assert torch.linalg.svdvals(update).max() < 1.4
    assert torch.linalg.svdvals(update).min() > 0.1


def test_muon_trains_and_goes_on_exactly(config, digits):
    words = ("train.optimizer=muon", "model=cnn", "train.schedule=triangular")
    whole = start_run(config(*words), digits)
    assert whole.history[-1].accuracy > 0.8
    stopped = start_run(config(*words), digits, [StopAfter(1)])
    resume_run(stopped.run, digits)
    assert_same_weights(weights(stopped.run, "last.pt"), weights(whole.run, "last.pt"))


# --- accumulation --------------------------------------------------------------------------------------------------


def test_accumulated_parts_give_the_same_weights_as_the_whole_batch(config, digits, monkeypatch):
    words = ("model.dropout=0", "train.optimizer=sgd", "train.learning_rate=0.05")
    passes = []
    forward = Network.forward
    monkeypatch.setattr(Network, "forward", lambda self, images: (passes.append(len(images)), forward(self, images))[1])
    whole = start_run(config(*words), digits)
    assert max(passes[:20]) == 64
    passes.clear()
    parted = start_run(config(*words, "train.accumulate=4"), digits)
    assert max(passes[:80]) == 16
    for name, value in weights(whole.run).items():
        torch.testing.assert_close(weights(parted.run)[name], value, rtol=1e-3, atol=1e-3)


@given(size=st.integers(2, 200), workers=st.integers(1, 8), accumulate=st.integers(1, 9))
def test_every_process_takes_as_many_parts_and_none_has_one_image(size, workers, accumulate):
    if size < 2 * workers:
        return  # `batches` makes none so small
    counts = set()
    for rank in range(workers):
        images = len(np.array_split(np.arange(size), workers)[rank])
        labels = torch.arange(images)
        batch = Augmented(torch.zeros(images, 2, 2, 1, dtype=torch.uint8), labels, labels + 1, torch.rand(images))
        found = list(parts(batch, labels[:, None].float(), part_count(size // workers, accumulate)))
        assert min(len(part.labels) for part, _ in found) >= 2
        assert all(torch.equal(part.partners, part.labels + 1) for part, _ in found)
        assert all(torch.equal(told[:, 0].long(), part.labels) for part, told in found)
        assert torch.equal(torch.cat([part.labels for part, _ in found]), labels)
        counts.add(len(found))
    assert len(counts) == 1
    assert counts.pop() <= accumulate


# --- the loss ------------------------------------------------------------------------------------------------------


def plain_batch(labels, partners=None, share=None):
    return Augmented(torch.zeros(len(labels), 2, 2, 1, dtype=torch.uint8), labels, partners, share)


def test_mixed_labels_are_the_loss_of_the_mixed_distribution():
    torch.manual_seed(0)
    logits, labels, partners = torch.randn(6, 4), torch.randint(0, 4, (6,)), torch.randint(0, 4, (6,))
    share = torch.rand(6)
    target = share[:, None] * nn.functional.one_hot(labels, 4) + (1 - share[:, None]) * nn.functional.one_hot(
        partners, 4
    )
    loss = Loss(smoothing=0.1, class_weight=None, temperature=1.0, teacher_weight=0.0)
    expected = nn.functional.cross_entropy(logits, 0.9 * target + 0.1 / 4)
    torch.testing.assert_close(loss(logits, plain_batch(labels, partners, share)), expected)


def test_a_teacher_that_agrees_adds_nothing_and_its_gradient_pulls_towards_it():
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 4, requires_grad=True), torch.randint(0, 4, (6,))
    loss = Loss(smoothing=0.0, class_weight=None, temperature=4.0, teacher_weight=0.9)
    own = 0.1 * nn.functional.cross_entropy(logits, labels)
    torch.testing.assert_close(loss(logits, plain_batch(labels), logits.detach()), own)
    told = torch.randn(6, 4)
    p, q = torch.softmax(told / 4, 1), torch.log_softmax(logits / 4, 1)
    expected = own + 0.9 * 16 * (p * (p.log() - q)).sum(1).mean()
    torch.testing.assert_close(loss(logits, plain_batch(labels), told), expected)


# --- teachers ------------------------------------------------------------------------------------------------------


@pytest.fixture
def taught(config, digits):
    return start_run(config("train.epochs=8", "train.batch_size=32"), digits).run


@pytest.mark.parametrize("kind", ["run", "bundle"])
def test_a_student_learns_from_a_teacher_without_labels(config, digits, taught, kind):
    path = taught.path if kind == "run" else export_run(taught, digits, ExportConfig()).path
    words = (f"train.teacher={path}", "train.distillation.weight=1", "train.epochs=12", "train.learning_rate=0.003")
    result = start_run(config(*words), digits)
    assert evaluate_run(result.run, digits, "test").accuracy > 0.85


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classes": [*"012345678", "ten"]}, r"1 only in the teacher \(ten\) and 1 only in digits \(9\)"),
        ({"classes": list("9876543210")}, "the same ones in another order"),
    ],
)
def test_a_teacher_of_other_classes_is_refused(config, digits, taught, change, said):
    torch.save({**load_weights(taught.best), **change}, taught.best)
    with pytest.raises(ConfigError, match=said):
        start_run(config(f"train.teacher={taught.path}"), digits)


def test_a_teacher_of_other_images_or_none_is_refused(config, digits, taught, tmp_path):
    before = sorted((tmp_path / "runs").iterdir())
    larger = open_dataset(DataConfig(source="digits", image_size=16))
    with pytest.raises(ConfigError, match=r"images of digits's shape 16×16×1; .* takes 8×8×1"):
        start_run(config(f"train.teacher={taught.path}"), larger)
    with pytest.raises(ConfigError, match="is not a run folder"):
        start_run(config(f"train.teacher={tmp_path}/nowhere"), digits)
    assert sorted((tmp_path / "runs").iterdir()) == before


# --- sizes ---------------------------------------------------------------------------------------------------------


def test_the_side_follows_the_stages():
    sizes = {0.0: 20, 0.4: 24, 0.7: 32}
    assert [side_at(sizes, share) for share in (0, 0.39, 0.4, 0.69, 0.7, 1)] == [20, 20, 24, 24, 32, 32]


def test_resizing_keeps_bytes_and_means():
    images = torch.randint(0, 256, (5, 12, 8, 3), dtype=torch.uint8)
    small = resized(images, 4)
    assert (small.shape, small.dtype) == ((5, 6, 4, 3), torch.uint8)
    torch.testing.assert_close(small.float().mean(), images.float().mean(), rtol=0.03, atol=0)
    assert resized(images, 8) is images


class Sides(nn.Module):
    """Notes the side of every batch of images that comes by."""

    def __init__(self):
        super().__init__()
        self.seen = {True: [], False: []}

    def forward(self, images):
        self.seen[self.training].append(images.shape[1])
        return images


def test_progressive_resizing_trains_small_and_validates_at_full_size(config, monkeypatch):
    larger = open_dataset(DataConfig(source="digits", image_size=16))
    sides = Sides()
    normalise = Normalise.forward
    monkeypatch.setattr(Normalise, "forward", lambda self, images: normalise(self, sides.train(self.training)(images)))
    words = ("data.image_size=16", "model=resnet", "model.widths=[8,16]", "train.image_sizes={0: 8, 0.5: 16}")
    result = start_run(config(*words, "train.epochs=2", "train.optimizer=adam"), larger)
    assert sides.seen[False][0] == 8  # whether the network takes them
    assert set(sides.seen[False][1:]) == {16}
    steps = sides.seen[True][sides.seen[True].index(8) :]  # what comes before has fitted the stem
    half = len(steps) // 2
    assert steps == [8] * half + [16] * half
    assert resume_run(open_run(result.run.path), larger).finished  # what was saved reads back
    assert 0 < evaluate_run(result.run, larger, "test").accuracy <= 1


@pytest.mark.parametrize("value", ["{}", "{0.5: 8}", "{0: 0}", "{0: 8, 1: 9}", "[8]", "{a: 8}"])
def test_sizes_that_are_no_stages_are_refused(config, value):
    with pytest.raises(ConfigError, match=r"train\.image_sizes must be share of the run: side in pixels"):
        config(f"train.image_sizes={value}")


# --- what a GPU does, on a CPU ---------------------------------------------------------------------------------------


def test_images_that_are_held_on_the_device_are_those_of_the_map(digits):
    rows = np.array([5, 0, 5, 1000])
    device = torch.device("cpu")
    held, mapped = (Feed(digits.train, device, resident=resident).take(rows) for resident in (True, None))
    assert all(torch.equal(one, other) for one, other in zip(held, mapped, strict=True))


def test_losses_that_are_read_together_are_those_that_are_read_one_by_one(config, digits, monkeypatch):
    words = ("train.epochs=2", "train.batch_size=100", "train.precision=fp32")
    one_by_one = start_run(config(*words), digits).history
    monkeypatch.setitem(loop.STEPS_UNREAD, "cpu", 5)
    together = start_run(config(*words), digits).history
    assert [(row.loss, row.accuracy, row.val_loss) for row in together] == [
        (row.loss, row.accuracy, row.val_loss) for row in one_by_one
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # of torch's own making
@pytest.mark.skipif(not COMPILES, reason="torch compiles with a C++ compiler and Python's headers")
@pytest.mark.parametrize("network", ["mlp", "resnet"])
def test_a_compiled_network_learns_what_it_learns_otherwise(network, config, digits):
    own = {"mlp": ["model.hidden=[16]", "model.dropout=0"], "resnet": ["model.widths=[8,16]", "train.optimizer=adam"]}
    words = (f"model={network}", *own[network], "train.precision=fp32", "train.epochs=2")
    plain, compiled = (start_run(config(*words, f"train.compile={how}"), digits).history for how in ("false", "true"))
    for one, other in zip(plain, compiled, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-3)
        assert other.val_loss == pytest.approx(one.val_loss, rel=1e-2)


# --- what is watched -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("monitor", ["val_macro_f1", "val_ece", "val_top5", "val_balanced_accuracy"])
def test_any_metric_may_be_watched(config, digits, monitor):
    result = start_run(config(f"train.monitor={monitor}", "train.epochs=4"), digits)
    pick = min if monitor == "val_ece" else max
    assert getattr(result.best, monitor) == pick(getattr(row, monitor) for row in result.history)
    with result.run.history.open() as file:
        assert float(next(csv.DictReader(file))[monitor]) == getattr(result.history[0], monitor)


def row(epoch, loss, accuracy):
    return EpochRow(epoch, loss, accuracy, None, None, None, None, None, None, 0.1, 1.0)


def test_a_flat_loss_is_told_from_a_slow_one():
    labels = np.arange(1000) % 10
    flat = [row(k, 2.303, 0.101) for k in range(1, 4)]
    assert is_flat(flat, labels)
    assert not is_flat(flat[:2], labels)
    assert not is_flat([*flat[:2], row(3, 2.2, 0.101)], labels)
    assert not is_flat([*flat[:2], row(3, 2.303, 0.2)], labels)


def test_a_flat_loss_is_said_once(config, digits, capfd):
    start_run(config("train.learning_rate=1e-12", "train.epochs=5"), digits)
    said = [line for line in capfd.readouterr().err.splitlines() if "has not fallen" in line]
    assert len(said) == 1
    assert "train.learning_rate=1e-13 or 1e-11" in said[0]


# --- mirror images -------------------------------------------------------------------------------------------------


def test_averaging_over_mirror_images_is_told_apart(config, digits):
    run = start_run(config("train.epochs=5"), digits).run
    plain, averaged = evaluate_run(run, digits, "test"), evaluate_run(run, digits, "test", flip=True)
    metrics = run.read_metrics()
    assert metrics["test"]["nll"] == plain.nll
    assert metrics["test_flip"]["nll"] == averaged.nll
    network, _ = load_network(run)
    images = torch.from_numpy(digits.test.take(slice(None)))
    with torch.no_grad():
        logits = (network(images) + network(images.flip(2))) / 2
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(digits.test.labels)).item()
    assert averaged.nll == pytest.approx(expected, rel=1e-4)


def test_a_split_is_looked_at_once_for_all_that_is_measured_of_it(config, digits, monkeypatch):
    run = start_run(config("train.epochs=1"), digits).run
    mended = digits.with_splits(*digits.splits)
    vars(mended).update(test_copies=np.arange(3))
    looks = []
    monkeypatch.setattr(
        "eyas.train.evaluation.run_network", lambda *given, **how: looks.append(how) or run_network(*given, **how)
    )
    found = evaluate_fully(run, mended, "test", flip=True)
    assert looks == [{}, {"mirrored": True}]
    assert {name: one.images for name, one in found.items()} == {"test": 180, "test_flip": 180, "test_clean": 177}
    assert run.read_metrics() == {name: one.summary() for name, one in found.items()}
