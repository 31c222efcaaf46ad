"""One particle's moves: where they lead on average, what they disturb, and what a choice's values are drawn from."""

from __future__ import annotations

import numpy as np
import pytest

from eyas.tune.space import Choice, Float, Space
from eyas.tune.swarm.encoding import Encoding, Points
from eyas.tune.swarm.moves import (
    ANYWHERE,
    CHOICE_FLOOR,
    INERTIA,
    LEAST_REACH,
    MOST_REACH,
    NEAR,
    PULL,
    Moves,
    State,
    anywhere,
    at_rest,
    draw,
)

COUNT = 40_000
FAR, CLOSE = int(ANYWHERE * COUNT), int(NEAR * COUNT)
SIZES = (3, 4, 2)
SPACE = Space(
    [Float("a", 0, 1), Float("b", 0, 1), Choice("c", ("x", "y", "z")), Choice("d", (1, 2, 3, 4)), Choice("e", (0, 1))]
)
ENCODING = Encoding(SPACE)
HERE = State(np.array([0.5, 0.4]), np.array([0.1, -0.05]), np.array([0.2, 0.3, 0.5, 0.1, 0.2, 0.3, 0.4, 0.7, 0.3]))
OWN = Points(np.array([[0.55, 0.42]]), np.array([[1, 3, 0]]))
INFORMANT = Points(np.array([[0.46, 0.5]]), np.array([[2, 1, 1]]))
OF_CHOICE = (slice(0, 3), slice(3, 7), slice(7, 9))
EVEN = [1 / size for size in SIZES for _ in range(size)]
DISTURBED = 1.5 / 5  # one or two of the five coordinates


@pytest.fixture
def moves() -> Moves:
    return draw(ENCODING, np.random.default_rng(0), HERE, OWN, INFORMANT[np.zeros(COUNT, int)])


def test_a_share_of_the_moves_goes_anywhere(moves: Moves) -> None:
    positions, picks = moves.positions[:FAR], moves.points.picks[:FAR]
    assert not moves.velocities[:FAR].any()
    assert moves.velocities[FAR].any()
    assert positions.mean(axis=0) == pytest.approx([0.5, 0.5], abs=0.02)
    assert positions.std(axis=0) == pytest.approx([12**-0.5] * 2, abs=0.01)
    for column, values in enumerate(SIZES):
        assert np.bincount(picks[:, column]) / FAR == pytest.approx([1 / values] * values, abs=0.02)
    assert moves.preferences[:FAR] == pytest.approx(np.tile(EVEN, (FAR, 1)))


def test_a_share_begins_at_the_informant_and_changes_little(moves: Moves) -> None:
    near = slice(FAR, FAR + CLOSE)
    for beyond in (FAR - 1, FAR + CLOSE):
        assert (moves.positions[beyond] != INFORMANT.numbers[0]).all()
    stays = (moves.positions[near] == INFORMANT.numbers).mean(axis=0)
    assert stays == pytest.approx([1 - DISTURBED] * 2, abs=0.02)
    kept = (moves.points.picks[near] == INFORMANT.picks).mean(axis=0)
    assert kept == pytest.approx([1 - DISTURBED * (1 - 1 / size) for size in SIZES], abs=0.02)


def test_the_others_go_on_and_are_pulled_to_both_bests(moves: Moves) -> None:
    rest = slice(FAR + CLOSE, None)
    velocities = moves.velocities[rest]
    pulls = (OWN.numbers[0] - HERE.position) / 2 + (INFORMANT.numbers[0] - HERE.position) / 2
    assert velocities.mean(axis=0) == pytest.approx(INERTIA * HERE.velocity + PULL * pulls, abs=0.01)
    led = HERE.position + velocities
    inside = (led >= 0) & (led <= 1)
    assert moves.positions[rest][inside] == pytest.approx(led[inside])
    assert inside.mean() > 0.9


def test_how_far_a_move_reaches_is_drawn_by_the_move() -> None:
    """The particle and both bests at one point, moving: inertia alone, and of what is not disturbed."""
    still = Points(HERE.position[None], np.zeros((1, 3), int))
    found = draw(ENCODING, np.random.default_rng(1), HERE, still, still[np.zeros(COUNT, int)])
    shares = found.velocities[FAR + CLOSE :] / (INERTIA * HERE.velocity)
    plain = shares[np.isclose(shares[:, 0], shares[:, 1], atol=1e-6)][:, 0]
    assert len(plain) / len(shares) == pytest.approx((1 - DISTURBED) ** 2, abs=0.02)
    assert (plain.min(), plain.mean(), plain.max()) == pytest.approx((0, 1, 2), abs=0.02)


def test_a_disturbance_has_a_reach_of_its_own() -> None:
    rest = State(HERE.position, np.zeros(2), HERE.preferences)
    still = Points(rest.position[None], np.zeros((1, 3), int))
    found = draw(ENCODING, np.random.default_rng(2), rest, still, still[np.zeros(COUNT, int)])
    apart = found.velocities[FAR:]
    assert (apart != 0).mean() == pytest.approx(DISTURBED, abs=0.01)
    spread = np.log(MOST_REACH / LEAST_REACH)
    expected = ((MOST_REACH**2 - LEAST_REACH**2) / (2 * spread)) ** 0.5  # of a reach that is even in its logarithm
    assert apart[apart != 0].std() == pytest.approx(expected, rel=0.05)
    assert np.median(np.abs(apart[apart != 0])) < expected / 3


def test_at_most_half_of_few_dimensions_are_disturbed() -> None:
    encoding = Encoding(Space([Float("a", 0, 1)]))
    state, still = State(np.array([0.5]), np.zeros(1), np.zeros(0)), Points(np.array([[0.5]]), np.zeros((1, 0), int))
    found = draw(encoding, np.random.default_rng(3), state, still, still[np.zeros(4000, int)])
    assert (found.velocities[1000:] != 0).mean() == pytest.approx(0.5, abs=0.03)
    assert found.preferences.shape == (4000, 0)
    assert found.points.picks.shape == (4000, 0)


@pytest.mark.parametrize(("choice", "own", "informant", "other"), [(0, 1, 2, 0), (1, 3, 1, 2)])
def test_preferences_go_on_and_are_pulled_to_the_values_of_both(
    moves: Moves, choice: int, own: int, informant: int, other: int
) -> None:
    prefers = moves.preferences[FAR + CLOSE :, OF_CHOICE[choice]]
    values = prefers.shape[1]
    base = INERTIA * HERE.preferences[OF_CHOICE[choice]] + CHOICE_FLOOR / values
    unscaled = prefers / prefers[:, [other]] * base[other]
    assert prefers.sum(axis=1) == pytest.approx(np.ones(len(prefers)))
    for value in range(values):
        excess = unscaled[:, value] - base[value]
        if value in (own, informant):
            assert (excess.min(), excess.mean(), excess.max()) == pytest.approx((0, PULL / 2, PULL), abs=0.02)
        else:
            assert excess == pytest.approx(np.zeros(len(excess)), abs=1e-9)


def test_values_are_drawn_by_their_preferences(moves: Moves) -> None:
    rest = slice(FAR + CLOSE, None)
    for choice, where in enumerate(OF_CHOICE):
        prefers, picks = moves.preferences[rest, where], moves.points.picks[rest, choice]
        for value in range(prefers.shape[1]):
            taken = picks == value
            assert taken.mean() == pytest.approx(prefers[:, value].mean(), abs=0.01)
            wanted = prefers[:, value] > np.median(prefers[:, value])
            assert taken[wanted].mean() == pytest.approx(prefers[wanted, value].mean(), abs=0.015)


def test_anywhere_is_even_in_every_coordinate() -> None:
    found = anywhere(ENCODING, np.random.default_rng(4), 20_000)
    for column, values in enumerate(SIZES):
        assert np.bincount(found.points.picks[:, column]) / 20_000 == pytest.approx([1 / values] * values, abs=0.02)
    assert found.positions.mean() == pytest.approx(0.5, abs=0.01)
    assert found.points.numbers == pytest.approx(found.positions)
    assert not found.velocities.any()
    assert found.preferences == pytest.approx(np.tile(EVEN, (20_000, 1)))


def test_a_state_is_kept_to_six_decimals_and_rows_stay_together(moves: Moves) -> None:
    row = FAR + CLOSE + 5
    kept = moves.state(row)
    for mine, all_of_it in (
        (kept.position, moves.positions),
        (kept.velocity, moves.velocities),
        (kept.preferences, moves.preferences),
    ):
        assert mine.tolist() == np.round(all_of_it[row], 6).tolist()
    chosen = moves[np.array([row])]
    assert chosen.state(0).position.tolist() == kept.position.tolist()
    assert chosen.state(0).velocity.tolist() == kept.velocity.tolist()
    assert chosen.state(0).preferences.tolist() == kept.preferences.tolist()
    assert chosen.points.picks.tolist() == moves.points.picks[[row]].tolist()


def test_a_particle_that_was_just_placed_rests_and_prefers_nothing() -> None:
    placed = at_rest(ENCODING, np.array([0.2, 0.9]))
    assert placed.position.tolist() == [0.2, 0.9]
    assert placed.velocity.tolist() == [0, 0]
    assert placed.preferences == pytest.approx(EVEN)
