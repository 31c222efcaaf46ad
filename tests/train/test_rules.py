"""The pieces of training that are rules: batches, stopping, optimisers, scaling."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eyas.core.schema import EarlyStoppingConfig, PlateauConfig, TrainConfig
from eyas.train.loop import batches
from eyas.train.optim.choosing import make_optimizer
from eyas.train.optim.schedule import rate_share
from eyas.train.progress.stopping import Stopping
from eyas.train.scaling import fit_scaling


@given(images=st.integers(1, 300), size=st.integers(1, 64), seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_an_epoch_shows_every_image_once(images, size, seed, epoch):
    steps = batches(images, size, seed, epoch)
    np.testing.assert_array_equal(np.sort(np.concatenate(steps)), np.arange(images))
    if size == 1:
        assert all(len(step) == 1 for step in steps)
    elif images > size:
        assert all(2 <= len(step) <= size + 1 for step in steps)


@given(images=st.integers(1, 300), size=st.integers(8, 64), workers=st.integers(1, 4))
def test_no_step_leaves_a_worker_with_fewer_than_two_images(images, size, workers):
    steps = batches(images, size, 0, 0, 2 * workers)
    np.testing.assert_array_equal(np.sort(np.concatenate(steps)), np.arange(images))
    if images >= size:
        assert min(map(len, steps)) >= 2 * workers


def test_epochs_differ_and_repeat_under_a_seed():
    first, again, second = batches(100, 10, 0, 0), batches(100, 10, 0, 0), batches(100, 10, 0, 1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], second[0])


def _run(stopping, values, rate=1.0):
    rates = []
    for epoch, value in enumerate(values, 1):
        _, rate = stopping.update(value, epoch, rate)
        rates.append(rate)
        if stopping.stop:
            break
    return rates


def test_early_stopping_counts_as_keras_does():
    # Keras: stop after `patience` epochs in a row without a better value.
    stopping = Stopping.of("val_loss", EarlyStoppingConfig(patience=2), None)
    rates = _run(stopping, [1.0, 0.5, 0.6, 0.5, 0.1])
    assert len(rates) == 4
    assert stopping.best.best_epoch == 2


def test_a_smaller_change_than_min_delta_does_not_reset_patience_but_is_kept_as_best():
    stopping = Stopping.of("val_loss", EarlyStoppingConfig(patience=2, min_delta=0.1), None)
    _run(stopping, [1.0, 0.95, 0.92])
    assert stopping.stop
    assert stopping.best.best_epoch == 3


def test_accuracy_is_to_rise():
    stopping = Stopping.of("val_accuracy", EarlyStoppingConfig(patience=5), None)
    _run(stopping, [0.5, 0.9, 0.7])
    assert stopping.best.best_epoch == 2
    assert stopping.patience_left == 4


def test_the_plateau_rule_lowers_the_rate_down_to_its_floor():
    stopping = Stopping.of("val_loss", None, PlateauConfig(factor=0.1, patience=2, min_learning_rate=0.05))
    assert _run(stopping, [1, 1, 1, 1, 1, 1, 1]) == pytest.approx([1, 1, 0.1, 0.1, 0.05, 0.05, 0.05])


def test_the_plateau_rule_never_raises_a_rate_below_its_floor():
    stopping = Stopping.of("val_loss", None, PlateauConfig(patience=1, min_learning_rate=0.5))
    assert _run(stopping, [1, 1, 1], rate=0.2) == [0.2, 0.2, 0.2]


def test_stopping_goes_through_its_state():
    one, other = (Stopping.of("val_loss", EarlyStoppingConfig(), PlateauConfig()) for _ in range(2))
    _run(one, [1.0, 0.5, 0.7])
    other.restore(one.state())
    assert other == one


def test_a_changed_rule_holds_after_its_state_comes_back():
    before = Stopping.of("val_loss", EarlyStoppingConfig(min_delta=0.0), None)
    _run(before, [1.0])
    after = Stopping.of("val_loss", EarlyStoppingConfig(min_delta=0.5, patience=2), None)
    after.restore(before.state())
    assert after.early.min_delta == 0.5


TORCH = {
    "adam": (torch.optim.Adam, {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-7}, {}),
    "adamw": (torch.optim.AdamW, {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-7, "weight_decay": 0.004}, {}),
    "sgd": (torch.optim.SGD, {"lr": 0.01}, {}),
    "momentum": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}, {"learning_rate": 0.1, "momentum": 0.9}),
    "nesterov": (
        torch.optim.SGD,
        {"lr": 0.01, "momentum": 0.9, "nesterov": True},
        {"momentum": 0.9, "nesterov": True},
    ),
}


@pytest.mark.parametrize("name", TORCH)
def test_optimisers_are_torchs_with_keras_defaults(name):
    kind, expected, settings = TORCH[name]
    start = [torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), torch.ones(5), torch.ones(2)]
    mine, theirs = ([torch.nn.Parameter(value.clone()) for value in start] for _ in range(2))
    optimizer = make_optimizer(
        TrainConfig(optimizer=name if name in ("adam", "adamw") else "sgd", **settings), torch.nn.ParameterList(mine)
    )
    reference = kind(theirs, **expected)
    noise = torch.Generator().manual_seed(1)
    for _ in range(5):
        for a, b in zip(mine[:2], theirs[:2], strict=True):  # the third never gets a gradient, and so never moves
            a.grad = torch.randn(a.shape, generator=noise)
            b.grad = a.grad.clone()
        optimizer.step()
        reference.step()
        optimizer.zero_grad()
        assert all(weight.grad is None for weight in mine)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop"])
def test_an_optimiser_goes_through_its_state(name):
    def fresh(value):
        weight = torch.nn.Parameter(value.clone())
        momentum = 0.0 if name == "adam" else 0.9
        return weight, make_optimizer(TrainConfig(optimizer=name, momentum=momentum), torch.nn.ParameterList([weight]))

    def run(weight, optimizer, steps):
        for step in range(steps):
            weight.grad = torch.full_like(weight, 0.1 + step)
            optimizer.step()

    whole, optimizer = fresh(torch.ones(3))
    optimizer.base_rate = 0.5
    optimizer.schedule(0.1)
    run(whole, optimizer, 2)
    resumed, other = fresh(whole.detach())
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    run(whole, optimizer, 3)
    run(resumed, other, 3)
    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)
    assert (other.base_rate, other.rate) == (0.5, 0.05)


def test_training_does_not_load_torchs_compiler():
    code = (
        "import sys, torch\n"
        "from eyas.core.schema import TrainConfig\n"
        "from eyas.train.optim.choosing import make_optimizer\n"
        "weight = torch.nn.Parameter(torch.ones(2))\n"
        "optimizer = make_optimizer(TrainConfig(), torch.nn.ParameterList([weight]))\n"
        "weight.grad = torch.ones(2)\n"
        "optimizer.step()\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop_is_keras_formula(momentum):
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    optimizer = make_optimizer(TrainConfig(optimizer="rmsprop", momentum=momentum), torch.nn.ParameterList([weight]))
    w, v, m = weight.detach().double().numpy().copy(), np.zeros(3), np.zeros(3)
    for step in range(5):
        g = np.array([1e-5, 0.3, -2.0]) * (step + 1)
        weight.grad = torch.tensor(g, dtype=torch.float32)
        optimizer.step()
        v = 0.9 * v + 0.1 * g**2
        m = momentum * m + 0.001 * g / np.sqrt(v + 1e-7)
        w -= m
    np.testing.assert_allclose(weight.detach().numpy(), w, rtol=1e-5)


def test_scaling_is_fitted_on_the_training_split_alone(digits):
    mean, std = fit_scaling(digits.train, "standard")
    pixels = digits.train.take(slice(None)) / 255
    assert mean == pytest.approx([pixels.mean()])
    assert std == pytest.approx([pixels.std()])
    assert fit_scaling(digits.train, "unit") == ([0.0], [1.0])


def _rates(*points, **settings):
    return [rate_share(TrainConfig(**settings), point) for point in points]


def test_schedules_are_their_formulas():
    assert _rates(0, 0.5, 1) == [1, 1, 1]
    assert _rates(0, 0.25, 0.5, 1, schedule="triangular") == [1, 0.75, 0.5, 0]
    cosine = _rates(0, 0.25, 0.5, 0.75, 1, schedule="cosine")
    assert cosine == pytest.approx([1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2, 0])
    warm = _rates(0, 0.1, 0.2, 0.6, 1, schedule="triangular", epochs=10, warmup_epochs=2)
    assert warm == pytest.approx([0, 0.5, 1, 0.5, 0])


def test_one_cycle_is_torchs():
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], 1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=101, cycle_momentum=False)
    expected = []
    for _ in range(101):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    actual = _rates(*np.linspace(0, 1, 101), schedule="one_cycle")
    np.testing.assert_allclose(actual, expected, atol=0.03)  # torch peaks at step 29.3 of 100, not 30
    assert max(actual) == 1.0


@given(
    schedule=st.sampled_from(["constant", "cosine", "triangular", "one_cycle"]),
    progress=st.floats(0, 1),
    warmup=st.floats(0, 9.9),
)
def test_a_share_is_a_share(schedule, progress, warmup):
    assert 0 <= rate_share(TrainConfig(epochs=10, schedule=schedule, warmup_epochs=warmup), progress) <= 1 + 1e-9
