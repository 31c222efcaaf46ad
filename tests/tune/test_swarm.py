"""The swarm itself: what it asks for, what it makes of the answers, and that it is the same again."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.core.errors import ConfigError
from eyas.tune.space import Choice, Float, Int, Space
from eyas.tune.swarm import Swarm
from eyas.tune.swarm.encoding import Encoding, Points
from eyas.tune.swarm.moves import anywhere, reflected
from eyas.tune.swarm.rungs import gains
from eyas.tune.swarm.surrogate import condition, fitted, posterior, warped
from eyas.tune.swarm.swarm import PATIENCE, UNGUIDED

MIXED = Space(
    [
        Choice("optimizer", ("sgd", "adam")),
        Float("momentum", 0.0, 0.99, when={"optimizer": ("sgd",)}),
        Float("rate", 1e-5, 1.0, log=True),
        Int("batch", 8, 512, log=True),
        Int("layers", 1, 7, step=2),
        Float("dropout", 0.0, 0.6, step=0.1),
        Choice("filters", (None, "wide", 3)),
    ]
)


def loss(values: dict[str, Any]) -> float:
    rate = (np.log10(values["rate"]) + 2.5) ** 2
    return float(rate + (values["optimizer"] == "adam") * 0.5 + abs(values["dropout"] - 0.2) + 0.1 * values["layers"])


def run(swarm: Swarm, trials: int) -> list[dict[str, Any]]:
    asked = []
    for _ in range(trials):
        move = swarm.ask()
        asked.append(move.values)
        swarm.tell(move.number, loss(move.values))
    return asked


def test_every_move_lies_in_the_space_and_names_what_is_active() -> None:
    for values in run(Swarm(MIXED, seed=1), 60):
        assert ("momentum" in values) == (values["optimizer"] == "sgd")
        assert 1e-5 <= values["rate"] <= 1.0
        assert values["batch"] in range(8, 513)
        assert values["layers"] in (1, 3, 5, 7)
        assert min(abs(values["dropout"] - 0.1 * k) for k in range(7)) < 1e-9
        assert values["filters"] in (None, "wide", 3)
        assert [name for name in MIXED.dimensions if name in values] == list(values)


def test_the_same_seed_asks_the_same_and_another_does_not() -> None:
    assert run(Swarm(MIXED, seed=3), 30) == run(Swarm(MIXED, seed=3), 30)
    assert run(Swarm(MIXED, seed=3), 30) != run(Swarm(MIXED, seed=4), 30)


def test_it_beats_chance_by_far() -> None:
    best = [min(map(loss, run(Swarm(MIXED, seed=seed), 40))) for seed in range(5)]
    encoding, rng = Encoding(MIXED), np.random.default_rng(0)
    by_chance = []
    for _ in range(20):
        drawn = anywhere(encoding, rng, 40).points
        by_chance.append(min(loss(encoding.decode(drawn, row)) for row in range(40)))
    assert np.median(best) < np.quantile(by_chance, 0.1)


def test_a_finite_space_is_searched_without_repetition_until_nothing_is_left() -> None:
    space = Space([Choice("a", (1, 2, 3)), Choice("b", ("x", "y")), Int("c", 0, 3)])
    swarm, seen = Swarm(space, seed=0), []
    for _ in range(24):
        move = swarm.ask()
        seen.append(tuple(move.values.values()))
        swarm.tell(move.number, float(move.values["c"]))
    assert sorted(seen, key=str) == sorted(product((1, 2, 3), ("x", "y"), range(4)), key=str)
    assert swarm.ask().values["c"] in range(4)  # a 25th is a repetition


def test_pending_moves_are_not_tried_twice_at_once() -> None:
    swarm = Swarm(Space([Float("x", 0.0, 1.0), Float("y", 0.0, 1.0)]), seed=0)
    for _ in range(20):
        move = swarm.ask()
        swarm.tell(move.number, (move.values["x"] - 0.3) ** 2 + (move.values["y"] - 0.6) ** 2)
    asked = [swarm.ask() for _ in range(6)]
    assert len({move.particle for move in asked}) == 6  # each by a particle that was free
    apart = [
        np.hypot(a.values["x"] - b.values["x"], a.values["y"] - b.values["y"]) for a in asked for b in asked if a != b
    ]
    assert min(apart) > 1e-3


def test_a_swarm_made_again_from_its_moves_goes_on_the_same() -> None:
    one, again = Swarm(MIXED, seed=5), Swarm(MIXED, seed=5)
    moves = []
    for _ in range(25):
        move = one.ask()
        one.tell(move.number, loss(move.values))
        moves.append(move)
    for move in moves:
        again.add(move.number, move.values, move.particle, move.life, move.state)
    for move in reversed(moves):  # whenever they were told
        again.tell(move.number, loss(move.values))
    for _ in range(5):
        first, second = one.ask(), again.ask()
        assert second.values == pytest.approx(first.values)
        one.tell(first.number, loss(first.values))
        again.tell(second.number, loss(second.values))


def test_a_higher_rung_counts_before_a_better_value() -> None:
    swarm = Swarm(Space([Float("x", 0.0, 1.0)]), seed=0, particles=1)
    low, high = swarm.ask(), swarm.ask()
    swarm.tell(low.number, 0.1, rung=0)
    swarm.tell(high.number, 0.9, rung=1)
    own = swarm._history.particle(0, 0)[1]
    assert own is not None
    assert own.numbers[0, 0] == pytest.approx(high.values["x"])


def test_values_of_low_rungs_are_raised_by_what_others_gained() -> None:
    curves = [{0: 0.5, 1: 0.4, 2: 0.2}, {0: 0.7, 1: 0.5}, {0: 0.9}]
    assert gains(curves) == pytest.approx({2: 0.0, 1: -0.2, 0: -0.35})
    assert gains([{3: 1.0}]) == {3: 0.0}


def test_failures_count_as_the_worst_and_are_no_best() -> None:
    swarm = Swarm(Space([Float("x", 0.0, 1.0)]), seed=0, particles=1)
    for value in (0.5, None, float("nan"), 0.7):
        swarm.tell(swarm.ask().number, value)
    _, values = swarm._history.known(swarm._history.gains())
    assert values.tolist() == [0.5, 0.7, 0.7, 0.7]


def test_only_failures_still_let_it_ask() -> None:
    swarm = Swarm(MIXED, seed=0)
    for _ in range(UNGUIDED + 5):
        swarm.tell(swarm.ask().number, None)
    assert swarm.ask().values


def test_a_particle_that_betters_nothing_is_placed_anew() -> None:
    swarm = Swarm(Space([Float("x", 0.0, 1.0)]), seed=0, particles=1)
    lives = []
    for k in range(PATIENCE + 3):
        move = swarm.ask()
        lives.append(move.life)
        swarm.tell(move.number, float(k))
    assert lives == [0] * (PATIENCE + 1) + [1, 1]


def test_constant_values_and_a_single_point_do_no_harm() -> None:
    swarm = Swarm(Space([Float("x", 2.0, 2.0), Choice("c", ("only",)), Float("y", 0.0, 1.0)]), seed=0)
    for _ in range(15):
        move = swarm.ask()
        assert move.values["x"] == 2.0
        swarm.tell(move.number, 1.0)


@given(st.floats(-10, 10))
def test_reflection_lands_inside_and_keeps_what_is_inside(x: float) -> None:
    found = float(reflected(np.array(x)))
    assert 0 <= found <= 1
    if 0 <= x <= 1:
        assert found == x


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_values_and_coordinates_are_the_same_point(seed: int) -> None:
    encoding = Encoding(MIXED)
    drawn = anywhere(encoding, np.random.default_rng(seed), 1).points
    values = encoding.decode(drawn, 0)
    back, active = encoding.encode(values)
    again = encoding.decode(back, 0)
    assert again.keys() == values.keys()
    for name, value in values.items():
        assert again[name] == (pytest.approx(value) if isinstance(value, float) else value)
    assert np.allclose(encoding.features(back, active), encoding.features(drawn))


def test_the_slope_of_the_posterior_is_its_slope() -> None:
    rng = np.random.default_rng(0)
    encoding = Encoding(MIXED)
    drawn = anywhere(encoding, rng, 30).points
    x, groups = encoding.features(drawn), encoding.groups
    z = warped(
        np.array([loss({**dict.fromkeys(MIXED.dimensions), **encoding.decode(drawn, row)}) for row in range(30)])
    )
    theta = rng.normal(0, 0.3, groups.max() + 2)
    slope = posterior(theta, x, z, groups)[1]
    for k in range(len(theta)):
        step = np.zeros(len(theta))
        step[k] = 1e-5
        up, down = posterior(theta + step, x, z, groups)[0], posterior(theta - step, x, z, groups)[0]
        assert slope[k] == pytest.approx((up - down) / 2e-5, rel=1e-3, abs=1e-4)


def test_the_process_agrees_with_scikit_learns() -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern

    rng = np.random.default_rng(1)
    x, new = rng.random((25, 3)), rng.random((8, 3))
    z = np.sin(5 * x[:, 0]) + x[:, 1]
    z = (z - z.mean()) / z.std()
    groups = np.arange(3)
    theta = fitted(x, z, groups)
    mean, deviation = condition(theta, x, z, groups).predict(new)
    theirs = GaussianProcessRegressor(Matern(np.exp(theta[:3]), nu=2.5), alpha=np.exp(theta[3]), optimizer=None)
    their_mean, their_deviation = theirs.fit(x, z).predict(new, return_std=True)
    signal = np.sqrt(z @ theirs.alpha_ / len(z))
    assert mean == pytest.approx(their_mean, abs=1e-6)
    assert deviation == pytest.approx(their_deviation * signal, rel=1e-4, abs=1e-6)


def test_believing_its_own_mean_leaves_the_mean_and_takes_the_doubt() -> None:
    rng = np.random.default_rng(2)
    x, z, groups = rng.random((20, 2)), rng.normal(size=20), np.arange(2)
    model = condition(np.array([-1.0, -1.0, -4.0]), x, z, groups)
    new = rng.random((3, 2))
    before, after = model.predict(new), model.believing(new).predict(new)
    assert after[0] == pytest.approx(before[0], abs=1e-4)
    assert (after[1] < 0.05 * before[1]).all()


def test_what_was_never_asked_cannot_be_told() -> None:
    with pytest.raises(ConfigError, match="only of its moves, got the number 7"):
        Swarm(MIXED).tell(7, 1.0)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Space([]), "at least one dimension"),
        (lambda: Float("a", 1.0, 0.0), "low at most high"),
        (lambda: Float("a", 0.0, 1.0, log=True), "greater than 0"),
        (lambda: Float("a", 0.0, float("inf")), "finite bounds"),
        (lambda: Int("a", 0, 5, step=0), "at least 1"),
        (lambda: Choice("a", ()), "at least one, got none"),
        (lambda: Choice("a", (1, 1)), "must differ"),
        (lambda: Space([Int("a", 0, 1), Int("a", 0, 2)]), "name a once"),
        (lambda: Space([Float("b", 0, 1, when={"a": (1,)})]), "stands before it, got a"),
        (lambda: Space([Choice("a", (1, 2)), Float("b", 0, 1, when={"a": (3,)})]), r"can take, \[1, 2\], got \[3\]"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()


def test_points_keep_their_rows() -> None:
    points = Points(np.arange(6.0).reshape(3, 2), np.arange(3)[:, None])
    assert points[[2]].numbers.tolist() == [[4.0, 5.0]]
