"""The sequences hold at every look, and narrow only."""

from __future__ import annotations

from math import comb, exp, log

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import binom, dirichlet_multinomial, multinomial

from eyas.core.errors import DataError
from eyas.monitor.sequences import (
    ConfidenceSequence,
    Counts,
    DifferenceSequence,
    MeanSequence,
    PairedSequence,
    SampleRatio,
)
from eyas.monitor.sequences.difference import EFFECTS, GRID, log_payments
from eyas.monitor.sequences.mean import BETS, log_capital

ALPHA = 0.05


def most(repeats: int, level: float) -> int:
    """So many false alarms of a test at `level` are not too many: the 99.9 % quantile."""
    return int(binom.ppf(0.999, repeats, level))


def some(kind: str) -> ConfidenceSequence:
    return {"mean": MeanSequence, "paired": PairedSequence, "difference": DifferenceSequence}[kind](ALPHA)


def feed(sequence: ConfidenceSequence, rng: np.random.Generator, count: int = 200) -> None:
    if isinstance(sequence, MeanSequence):
        sequence.observe(rng.random(count) < 0.9)
    elif isinstance(sequence, PairedSequence):
        sequence.observe(rng.choice([-1, 0, 1], count, p=[0.1, 0.7, 0.2]))
    elif isinstance(sequence, DifferenceSequence):
        ones = rng.binomial((count, count // 3), (0.1, 0.2)).tolist()
        sequence.update(Counts(ones[0], count), Counts(ones[1], count // 3))


KINDS = pytest.mark.parametrize("kind", ["mean", "paired", "difference"])


@KINDS
def test_intervals_only_narrow_and_lie_around_what_was_seen(kind: str) -> None:
    rng, sequence = np.random.default_rng(1), some(kind)
    before, single = sequence.interval(), sequence.bounds()
    for _ in range(30):
        feed(sequence, rng)
        now, bounds = sequence.interval(), sequence.bounds()
        seen = sequence.difference if isinstance(sequence, DifferenceSequence) else sequence.mean
        assert before.low <= now.low <= seen <= now.high <= before.high
        assert now.low <= bounds.low <= seen <= bounds.high <= now.high  # one-sided bounds are the nearer ones
        assert single.low <= bounds.low <= bounds.high <= single.high
        before, single = now, bounds
    assert sequence.steady
    assert before.high - before.low < 0.15


@KINDS
def test_a_level_out_of_range_is_refused(kind: str) -> None:
    with pytest.raises(DataError, match="alpha must be greater than 0"):
        type(some(kind))(0.0)


def test_a_stream_that_changed_is_told_and_followed() -> None:
    sequence = MeanSequence(ALPHA)
    sequence.update(1900, 2000)
    assert sequence.steady
    for _ in range(60):
        sequence.update(50, 100)
    assert not sequence.steady
    assert sequence.interval().high < 0.9


@given(
    zeros=st.integers(0, 60),
    halves=st.integers(0, 60),
    ones=st.integers(0, 60),
    m=st.floats(0.01, 0.99),
    further=st.floats(0.001, 0.5),
)
def test_capital_falls_with_the_mean_and_is_fair(zeros: int, halves: int, ones: int, m: float, further: float) -> None:
    counts = np.array([zeros, halves, ones], float)
    near, far = log_capital(counts, np.array([m, min(1.0, m + further)]))
    assert far <= near + 1e-9
    # One more observation of mean m is worth nothing on average, whatever came before: a martingale.
    half = min(m, 1 - m)
    chances = np.array([1 - m - half / 2, half, m - half / 2])
    after = [log_capital(counts + step, np.array([m]))[0] for step in np.eye(3)]
    assert chances @ np.exp(np.array(after) - near) == pytest.approx(1, abs=1e-9)


@given(x=st.floats(0, 1), m=st.floats(0.01, 1))
def test_a_value_between_is_never_paid_more_than_its_bet(x: float, m: float) -> None:
    zero, one = (log_capital(np.array(counts, float), np.array([m])) for counts in ((1, 0, 0), (0, 0, 1)))
    both = log_capital(np.array([1 - x, 0, x]), np.array([m]))[0]
    bets = 1 + BETS * (x - m) / m
    assert exp(both) <= bets.mean() + 1e-9
    assert min(zero, one) - 1e-9 <= both <= max(zero, one) + 1e-9


@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=40))
@settings(deadline=None)
def test_a_mean_depends_on_the_sum_alone(values: list[float]) -> None:
    whole, parts = MeanSequence(), MeanSequence()
    whole.observe(values)
    for value in reversed(values):
        parts.observe([value])
    assert parts.mean == pytest.approx(whole.mean)
    assert parts.interval().low >= whole.interval().low - 1e-4  # it looked more often
    assert parts.interval().high <= whole.interval().high + 1e-4


@pytest.mark.parametrize("p", [0.5, 0.9, 0.99])
def test_a_mean_is_held_at_every_look(p: float) -> None:
    rng, repeats, missed = np.random.default_rng(3), 100, 0
    for _ in range(repeats):
        sequence = MeanSequence(0.2)
        for ones in rng.binomial(20, p, 40).tolist():
            sequence.update(ones, 20)
        low, high = sequence.interval()
        missed += not (sequence.steady and low <= p <= high)
    assert missed <= most(repeats, 0.2)


def test_a_paired_mean_is_held_and_found() -> None:
    rng, repeats, missed, found = np.random.default_rng(4), 60, 0, 0
    for _ in range(repeats):
        sequence = PairedSequence(0.2)
        for counts in rng.multinomial(100, (0.03, 0.91, 0.06), 40).tolist():
            sequence.update(*counts)
        low, high = sequence.interval()
        missed += not (sequence.steady and low <= 0.03 <= high)
        found += low > 0
    assert missed <= most(repeats, 0.2)
    assert found >= 0.95 * repeats


def chance(ones: int, count: int, p: float) -> float:
    return comb(count, ones) * p**ones * (1 - p) ** (count - ones)


def simulated(errors: tuple[float, float], share: float, repeats: int, looks: int, total: int) -> tuple[int, int]:
    """How many ever say that the challenger is worse, and that it is better."""
    rng, worse, better = np.random.default_rng(5), 0, 0
    for _ in range(repeats):
        sequence = DifferenceSequence(ALPHA, grid=(0.0,))
        for count in rng.binomial(total // looks, share, looks).tolist():
            other = total // looks - count
            a, b = rng.binomial((other, count), errors).tolist()
            sequence.update(Counts(a, other), Counts(b, count))
        low, high = sequence.bounds()  # 0 is the only difference that can be refuted
        worse, better = worse + (low == 0), better + (high == 0)
    return worse, better


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_equal_arms_are_seldom_told_apart_in_100_looks(share: float) -> None:
    repeats = 150
    assert max(simulated((0.1, 0.1), share, repeats, looks=100, total=5000)) <= most(repeats, ALPHA)


def test_ten_and_thirteen_percent_are_told_apart_by_5000_pairs() -> None:
    repeats = 100
    worse, better = simulated((0.10, 0.13), 0.5, repeats, looks=50, total=10_000)
    assert worse >= binom.ppf(0.001, repeats, 0.9)
    assert better <= most(repeats, ALPHA)


def test_one_look_at_everything_finds_it_as_well() -> None:
    worse, _ = simulated((0.10, 0.13), 0.5, 100, looks=1, total=10_000)
    assert worse >= binom.ppf(0.001, 100, 0.9)


@given(
    n_a=st.integers(1, 4),
    n_b=st.integers(1, 4),
    before=st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
    level=st.floats(0, 1),
    under=st.floats(0, 1),
    at=st.integers(0, len(GRID) - 1),
    sign=st.sampled_from([-1, 1]),
)
@settings(deadline=None, max_examples=200)
def test_no_block_pays_more_than_one_on_average(
    n_a: int, n_b: int, before: tuple[int, ...], level: float, under: float, at: int, sign: int
) -> None:
    """Over all outcomes, for shares anywhere in the claim p_b - p_a ≤ δ."""
    delta = sign * GRID[at]
    p_a = level
    p_b = under * min(1.0, p_a + delta)
    assume(p_a + delta >= 0)
    past = np.array([(before[0], before[0] + before[1]), (before[2], before[2] + before[3])], float)
    worth = np.zeros(len(EFFECTS))
    for ones_a in range(n_a + 1):
        for ones_b in range(n_b + 1):
            block = np.array([(ones_a, n_a), (ones_b, n_b)], float)
            paid = np.exp(log_payments(block, past, np.array([delta])))[0]
            worth += chance(ones_a, n_a, p_a) * chance(ones_b, n_b, p_b) * paid
    assert worth.max() <= 1 + 1e-9


def test_a_margin_is_exact_and_the_evidence_for_it_can_be_asked() -> None:
    sequence = DifferenceSequence(ALPHA, also=(0.0137,))
    rng = np.random.default_rng(6)
    for _ in range(20):
        a, b = rng.binomial(500, (0.1, 0.2)).tolist()
        sequence.update(Counts(a, 500), Counts(b, 500))
    below, above = sequence.log_evidence(0.0137)
    assert below > log(1 / ALPHA) > 0 > above
    assert sequence.bounds().low > 0.0137
    with pytest.raises(DataError, match=r"0\.0138 must be on the grid"):
        sequence.log_evidence(0.0138)


def test_few_observations_of_an_arm_wait_for_more() -> None:
    sequence = DifferenceSequence(ALPHA, grid=(0.0,))
    for _ in range(19):
        sequence.update(Counts(0, 99), Counts(1, 1))
    assert sequence.log_evidence(0.0) == pytest.approx((0, 0))
    assert sequence.difference == 1
    sequence.update(Counts(0, 99), Counts(1, 1))
    assert sequence.bounds().low == 0  # 20 wrong of 20, where the champion had none
    assert (sequence.champion, sequence.challenger) == (Counts(0, 1980), Counts(20, 20))


@pytest.mark.parametrize("p", [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0), (1.0, 1.0), (0.5, 0.5)])
def test_the_corners_of_the_square_are_found(p: tuple[float, float]) -> None:
    sequence = DifferenceSequence(ALPHA)
    for _ in range(20):
        sequence.update(Counts(round(100 * p[0]), 100), Counts(round(100 * p[1]), 100))
    low, high = sequence.interval()
    assert low <= p[1] - p[0] <= high
    assert high - low < 0.25
    assert sequence.steady


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="the challenger's ones must lie in"):
        DifferenceSequence().update(Counts(0, 1), Counts(2, 1))
    with pytest.raises(DataError, match="differences must be greater than -1"):
        DifferenceSequence(also=(1.0,))
    with pytest.raises(DataError, match=r"sum of 2 values in \[0, 1\] must lie in \[0, 2\], got 3"):
        MeanSequence().update(3, 2)
    with pytest.raises(DataError, match=r"values must lie in \[0, 1\], got"):
        MeanSequence().observe([0.5, float("nan")])
    with pytest.raises(DataError, match="values must be -1, 0 or 1, got 2"):
        PairedSequence().observe([0, 2])
    with pytest.raises(DataError, match="counts must be at least 0"):
        PairedSequence().update(-1, 0, 0)


def test_the_evidence_of_a_ratio_is_scipys() -> None:
    shares, counts, k = (0.7, 0.2, 0.1), (60, 30, 25), 50.0
    test = SampleRatio(shares, concentration=k)
    test.update(counts)
    expected = dirichlet_multinomial.logpmf(counts, k * np.array(shares), sum(counts)) - multinomial.logpmf(
        counts, sum(counts), shares
    )
    assert expected > 0
    assert test.p_value == pytest.approx(exp(-expected))


def test_a_ratio_as_planned_is_seldom_refuted_and_another_one_is_found() -> None:
    rng, repeats = np.random.default_rng(7), 300

    def refuted(real: float) -> int:
        found = 0
        for _ in range(repeats):
            test = SampleRatio((0.9, 0.1), 0.05)
            for count in rng.binomial(500, real, 100).tolist():
                test.update((500 - count, count))
            found += test.mismatch
        return found

    assert refuted(0.1) <= most(repeats, 0.05)
    assert refuted(0.11) >= 0.98 * repeats


def test_a_ratio_follows_its_plan() -> None:
    test = SampleRatio((0.99, 0.01), 0.01)
    test.update((9900, 100))
    test.plan((0.5, 0.5))
    test.update((5000, 5000))
    assert test.p_value > 0.5
    test.update((5000, 4000))
    assert test.mismatch
    test.update((10_000, 11_000))
    assert test.mismatch  # for ever
    never = SampleRatio((1.0, 0.0))
    never.update((10, 0))
    assert never.p_value == 1
    never.update((10, 1))
    assert never.mismatch


def test_what_each_stage_says_of_a_ratio_adds_up() -> None:
    def after(*stages: tuple[float, tuple[int, int]]) -> float:
        test = SampleRatio((0.5, 0.5), 0.001)
        for share, counts in stages:
            test.plan((1 - share, share))
            test.update(counts)
        return test.p_value

    first, second = (0.1, (9000, 1130)), (0.5, (4800, 5200))
    assert after(first, second) == pytest.approx(after(first) * after(second))
    assert after(first, second) < min(after(first), after(second)) < 1


def test_shares_that_are_none_are_refused() -> None:
    for shares in ((1.0,), (0.5, 0.6), (-0.1, 1.1)):
        with pytest.raises(DataError, match="shares must be two or more numbers"):
            SampleRatio(shares)
    test = SampleRatio((0.5, 0.5))
    with pytest.raises(DataError, match="2 shares as before, got 3"):
        test.plan((0.2, 0.3, 0.5))
    with pytest.raises(DataError, match="counts must be 2 numbers of at least 0"):
        test.update((1, 2, 3))
