"""Intervals and paired tests against SciPy, and on made numbers with known answers."""

import numpy as np
import pytest
from scipy import stats

from eyas.compare.statistics import estimate, paired
from eyas.core.errors import DataError
from eyas.evaluate.paired import holm


def test_one_figure_a_run_is_students_t():
    values = np.array([0.91, 0.93, 0.90, 0.95, 0.92])
    found = estimate(values[:, None])
    low, high = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    one, other = values, np.array([0.90, 0.90, 0.91, 0.91, 0.90])
    assert estimate((one - other)[:, None]).p == pytest.approx(stats.ttest_rel(one, other).pvalue)


def test_one_seed_is_students_t_over_images():
    right = np.random.default_rng(0).random((1, 300)) < 0.8
    found = estimate(right)
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 299, right.mean(), stats.sem(right[0])))


def test_false_alarms_are_no_more_than_promised():
    """Two arms of the same skill, with image difficulty and seed luck: p < 0.05 at most about 5 % of the time."""
    rng = np.random.default_rng(1)
    alarms, inside, trials = 0, 0, 400
    for _ in range(trials):
        difficulty = rng.normal(0, 1, 400)
        luck = rng.normal(0, 0.2, (2, 4, 1))
        one, other = (rng.normal(0, 1, (4, 400)) + difficulty + arm < 0.8 for arm in luck)
        found = paired(one, other)
        alarms += found.p < 0.05
        inside += found.low <= 0 <= found.high
    assert alarms <= 0.08 * trials
    assert inside == trials - alarms


def test_a_clear_difference_is_found():
    rng = np.random.default_rng(2)
    hard = rng.random(1000)
    one, other = ((rng.random((3, 1000)) * 0.2 + hard) < level for level in (1.0, 0.8))
    found = paired(one, other)
    assert found.p < 0.001
    assert 0.1 < found.low < found.mean < found.high < 0.3


def test_equal_arms_have_no_difference():
    right = np.random.default_rng(3).random((3, 50)) < 0.5
    found = paired(right, right)
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_runs_that_are_no_pairs_are_refused():
    with pytest.raises(DataError, match=r"same seeds and images, got \(2, 5\) and \(3, 5\)"):
        paired(np.ones((2, 5), bool), np.ones((3, 5), bool))
