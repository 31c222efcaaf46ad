from __future__ import annotations

import numpy as np
import pytest

from eyas.core.errors import DataError
from eyas.evaluate import paired_difference


def table(both: int, one: int, other: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong, with these counts."""
    cells = [(True, True)] * both + [(True, False)] * one + [(False, True)] * other + [(False, False)] * neither
    first, second = np.array(cells).T
    return first, second


def test_the_figures_of_agrestis_own_code() -> None:
    """The approval ratings of his textbook: 1600 people asked twice, of whom 150 and 86 change their minds."""
    difference, interval = paired_difference(*table(794, 150, 86, 570))
    assert difference == pytest.approx(0.04)
    d, n = 64 / 1602, 1602
    half = 1.959964 * np.sqrt((150 + 86 + 1) - 64**2 / n) / n
    assert interval == pytest.approx((d - half, d + half), abs=1e-6)


def test_answers_that_agree_leave_a_doubt_that_shrinks_with_their_number() -> None:
    for n in (10, 1000):
        difference, (low, high) = paired_difference(*table(n, 0, 0, 0))
        assert difference == 0
        assert low == pytest.approx(-high)
        assert 0 < high < 2 / n * 1.96


@pytest.mark.parametrize(("n", "gained", "lost"), [(50, 0.02, 0.06), (200, 0.01, 0.01), (1000, 0.005, 0.02)])
def test_the_interval_holds_the_truth_as_often_as_promised(n: int, gained: float, lost: float) -> None:
    rng = np.random.default_rng(0)
    trials = 2000
    held = 0
    for _ in range(trials):
        kind = rng.choice(4, n, p=[0.7, gained, lost, 0.3 - gained - lost])
        _, (low, high) = paired_difference(np.isin(kind, (0, 1)), np.isin(kind, (0, 2)))
        held += low <= gained - lost <= high
    assert 0.93 <= held / trials <= 0.995


def test_one_answer_and_all_the_difference_stay_within_bounds() -> None:
    difference, (low, high) = paired_difference(*table(0, 1, 0, 0))
    assert (difference, high) == (1.0, 1.0)
    assert low < 0


@pytest.mark.parametrize(("one", "other"), [((3,), (4,)), ((0,), (0,)), ((2, 2), (2, 2))])
def test_answers_that_are_not_paired_are_refused(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"paired answers must be two arrays \(n,\) of one length"):
        paired_difference(np.ones(one, bool), np.ones(other, bool))
