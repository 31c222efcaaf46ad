"""The gate's tests are exact, and it opens and shuts where it should."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom, binomtest, multinomial

from eyas.core.errors import DataError, RolloutError
from eyas.evaluate import quick_scores
from eyas.evaluate.mcnemar import GAMMA, non_inferiority, two_sided, worse
from eyas.rollout.gate import Check, GateReport, GateRule, judge
from eyas.rollout.pairs import time_pairs
from eyas.rollout.plan import make_plan

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


@given(lost=st.integers(0, 300), gained=st.integers(0, 300))
def test_mcnemar_is_scipys_binomial_test(lost: int, gained: int) -> None:
    if lost + gained:
        assert two_sided(lost, gained) == pytest.approx(binomtest(lost, lost + gained).pvalue, rel=1e-9)
        one = binomtest(lost, lost + gained, alternative="greater").pvalue
        assert worse(lost, gained) == pytest.approx(one, rel=1e-9)
        better = binomtest(gained, lost + gained, alternative="greater").pvalue
        assert non_inferiority(lost, gained, 1000, 0.0) == pytest.approx(better, rel=1e-9)
    else:
        assert two_sided(0, 0) == worse(0, 0) == non_inferiority(0, 0, 9, 0.0) == 1


@given(lost=st.integers(0, 200), gained=st.integers(0, 200), rest=st.integers(0, 3000), margin=st.floats(0.001, 0.3))
@settings(deadline=None)
def test_non_inferiority_is_its_definition_by_scipys_beta(lost: int, gained: int, rest: int, margin: float) -> None:
    n, k = lost + gained + rest, lost + gained
    if not n:
        return
    most = beta.ppf(1 - GAMMA, k + 1, n - k) if k < n else 1.0
    given_k = GAMMA + (binom.sf(gained - 1, k, (most - margin) / (2 * most)) if most > margin else 0)
    expected = min(1.0, 2 * min(given_k, binom.cdf(lost, n, margin)))
    assert non_inferiority(lost, gained, n, margin) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("n", "psi", "margin"), [(40, 0.2, 0.1), (60, 0.3, 0.05), (60, 0.05, 0.05), (50, 0.6, 0.2)])
def test_at_the_margin_it_opens_as_seldom_as_promised(n: int, psi: float, margin: float) -> None:
    """Over all outcomes of n images, each with its own chance."""
    chances = [(psi + margin) / 2, (psi - margin) / 2, 1 - psi]
    outcomes = [(b, c) for b in range(n + 1) for c in range(n + 1 - b)]
    p = np.array([non_inferiority(b, c, n, margin) for b, c in outcomes])
    weights = multinomial.pmf([(b, c, n - b - c) for b, c in outcomes], n, chances)
    for alpha in (0.01, 0.05, 0.2):
        assert weights[p <= alpha].sum() <= alpha


def test_it_has_power() -> None:
    assert non_inferiority(200, 200, 10_000, 0.01) < 0.001 * 3
    assert non_inferiority(3, 2, 1000, 0.01) < 0.05
    assert non_inferiority(0, 0, 1000, 0.01) < 0.001
    assert non_inferiority(0, 0, 100, 0.01) > 0.05  # too few images to say
    with pytest.raises(DataError, match="lost and gained must be at least 0, and 3 together at most, got 2 and 2"):
        non_inferiority(2, 2, 3, 0.1)
    with pytest.raises(DataError, match="a margin must be at least 0"):
        non_inferiority(1, 1, 3, 1.0)


def answers(accuracies: tuple[float, float], n: int = 4000, classes: int = 4, seed: int = 0) -> Arrays:
    """Labels, and two models' probabilities that are right as often as they are sure."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    chance = rng.random(n)  # the same images are hard for both
    found = []
    for accuracy in accuracies:
        named = np.where(chance < accuracy, labels, (labels + rng.integers(1, classes, n)) % classes)
        probs = np.full((n, classes), (1 - accuracy) / (classes - 1), np.float32)
        probs[np.arange(n), named] = accuracy
        found.append(probs)
    return labels, found[0], found[1]


def check(report: GateReport, name: str) -> Check:
    return next(one for one in report.checks if one.name == name)


def test_a_better_challenger_passes() -> None:
    seconds = np.linspace(0.01, 0.02, 100)
    report = judge(*answers((0.90, 0.92)), seconds=(seconds, 1.2 * seconds))
    assert report.passed
    assert [one.name for one in report.checks] == ["accuracy", "classes", "calibration", "latency p95", "latency p99"]
    assert all(one.passed for one in report.checks)
    assert "0 lost" in check(report, "accuracy").words
    assert "is below the margin of 1 %" in check(report, "accuracy").words
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["passed"] is True


def test_a_challenger_that_loses_more_than_the_margin_does_not() -> None:
    arrays = answers((0.92, 0.90))
    report = judge(*arrays)
    assert not report.passed
    accuracy = check(report, "accuracy")
    assert accuracy.passed is False
    assert "the loss is not shown to be below the margin of 1 %" in accuracy.words
    assert accuracy.figures["p_two_sided"] < 1e-6
    assert check(judge(*arrays, GateRule(margin=0.04)), "accuracy").passed


def test_a_single_class_that_got_worse_is_found_and_named() -> None:
    labels, champion, challenger = answers((0.9, 0.9), n=8000)
    hit = np.flatnonzero((labels == 2) & (challenger.argmax(axis=1) == 2))[:40]
    challenger[hit] = challenger[hit][:, [0, 2, 1, 3]]
    report = judge(labels, champion, challenger, GateRule(margin=0.02), classes=("cat", "dog", "fox", "owl"))
    assert check(report, "accuracy").passed
    assert check(report, "classes").words.startswith("4 classes: worse: fox (0 gained, 40 lost, p = ")
    assert not report.passed


def test_classes_that_differ_by_chance_seldom_shut_the_gate() -> None:
    shut = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 10, 2000)
        named = [np.where(rng.random(2000) < 0.9, labels, (labels + 1) % 10) for _ in range(2)]
        champion, challenger = (np.eye(10, dtype=np.float32)[one] for one in named)
        shut += not check(judge(labels, champion, challenger), "classes").passed
    assert shut <= binom.ppf(0.999, 100, 0.05)


def test_many_bad_classes_are_counted() -> None:
    labels = np.repeat(np.arange(9), 50)
    right = np.eye(9, dtype=np.float32)[labels]
    words = check(judge(labels, right, np.roll(right, 1, axis=1)), "classes").words
    assert words.count("lost") == 5
    assert "and 4 more" in words


def test_overconfidence_shuts_the_gate() -> None:
    labels, champion, challenger = answers((0.9, 0.9))
    sure = np.eye(4, dtype=np.float32)[challenger.argmax(axis=1)]
    report = judge(labels, champion, sure)
    assert [one.name for one in report.checks if one.passed is False] == ["calibration"]
    assert check(report, "calibration").figures["ece"] == pytest.approx(quick_scores(sure, labels).ece)
    assert judge(labels, champion, sure, GateRule(calibration_rise=0.2)).passed


def test_latency_by_ratio_and_by_seconds() -> None:
    arrays, seconds = answers((0.9, 0.9)), np.full(100, 0.010)
    for rule, times, passed in (
        (GateRule(), 1.49, True),
        (GateRule(), 1.51, False),
        (GateRule(latency_ratio=None), 9, True),
        (GateRule(p95_seconds=0.011), 1.2, False),
        (GateRule(p99_seconds=0.013), 1.2, True),
    ):
        report = judge(*arrays, rule, seconds=(seconds, times * seconds))
        assert report.passed is passed, (rule, times)
    unmeasured = judge(*arrays)
    assert unmeasured.passed
    assert (check(unmeasured, "latency").passed, check(unmeasured, "latency").words) == (
        None,
        "latency was not measured",
    )


def test_what_does_not_fit_is_refused() -> None:
    labels, champion, challenger = answers((0.9, 0.9), n=20)
    with pytest.raises(DataError, match="both models must answer alike"):
        judge(labels, champion, challenger[:10])
    with pytest.raises(DataError, match="labels must have shape"):
        judge(labels[:10], champion, challenger)
    with pytest.raises(DataError, match="a gate needs at least 1 image"):
        judge(labels[:0], champion[:0], challenger[:0])
    with pytest.raises(DataError, match="classes must be 4 names, got 1"):
        judge(labels, champion, challenger, classes=("cat",))
    with pytest.raises(DataError, match="the challenger's latencies must be"):
        judge(labels, champion, challenger, seconds=(np.ones(3), np.array([np.nan])))


def test_a_plan_has_its_rule() -> None:
    plan = make_plan({"champion": "3", "challenger": "4", "margin": 0.02, "p99_seconds": 0.1})
    assert GateRule.of(plan) == replace(GateRule(), margin=0.02, p99_seconds=0.1)


def test_too_few_images_are_said_to_be() -> None:
    few = check(judge(*answers((0.95, 0.95), n=180)), "accuracy")
    assert few.passed is False
    assert few.words.endswith("so few images cannot show so small a loss, even where none is lost")
    assert "so few" not in check(judge(*answers((0.95, 0.9), n=2000)), "accuracy").words


def test_the_latency_of_a_few_answers_shuts_the_gate_only_where_it_is_shown() -> None:
    arrays, rng = answers((0.9, 0.9)), np.random.default_rng(0)
    old = rng.exponential(0.01, 60)
    late = np.concatenate([old[:-1], [5.0]])  # one answer in sixty
    report = judge(*arrays, seconds=(old, late))
    assert check(report, "latency p99").figures["seconds"] > 1.5 * check(report, "latency p99").figures["champion"]
    assert report.passed
    slow = judge(*arrays, seconds=(rng.exponential(0.01, 2000), rng.exponential(0.02, 2000)))
    assert [one.name for one in slow.failed] == ["latency p95", "latency p99"]
    assert [round(one.figures["seconds"] / one.figures["champion"]) for one in slow.failed] == [2, 2]


def test_the_interval_of_a_quantile_holds_it_as_often_as_it_says() -> None:
    """By the binomial distribution of how many of n answers lie below the quantile."""
    for n, quantile in ((200, 0.95), (2000, 0.95), (2000, 0.99)):
        times = np.arange(1, n + 1, dtype=float)
        words = check(judge(*answers((0.9, 0.9)), seconds=(times, times)), f"latency p{100 * quantile:.0f}").figures
        low, high = words["low"], words["champion_high"]
        assert binom.cdf(high - 1, n, quantile) - binom.cdf(low - 1, n, quantile) == pytest.approx(0.95, abs=0.025)


def test_two_take_turns_at_the_clock() -> None:
    asked: list[tuple[str, int]] = []
    champion, challenger = time_pairs(
        lambda row: asked.append(("old", row)), lambda row: asked.append(("new", row)), 3, pairs=5
    )
    assert len(champion) == len(challenger) == 5
    assert min(champion.min(), challenger.min()) >= 0
    timed = asked[-10:]
    assert [name for name, _ in timed] == ["new", "old", "old", "new", "new", "old", "old", "new", "new", "old"]
    assert [row for _, row in timed] == [0, 0, 1, 1, 2, 2, 0, 0, 1, 1]
    assert len(time_pairs(lambda row: None, lambda row: None, 1, seconds=0)[0]) == 1


def test_a_report_says_what_fails() -> None:
    report = judge(*answers((0.95, 0.8), n=400))
    with pytest.raises(RolloutError, match=r"the gate does not let 4 through: accuracy: accuracy 80 %.*; classes: "):
        report.require_passed("4")
    judge(*answers((0.9, 0.92))).require_passed("4")
