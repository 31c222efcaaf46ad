from __future__ import annotations

from bisect import bisect_right

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, spearmanr

from eyas.monitor.streaming.conformal import BLOCKS, ClassUrns, Urn, edge_ranks


def p_values(urn: Urn, scores: np.ndarray, rng: np.random.Generator, learn: bool = True) -> list[float]:
    return [urn.p_value(score, rng.random(), rng.random(), learn) for score in scores.tolist()]


def many_streams(held_out: int, length: int, runs: int, draw: str, learn: bool) -> np.ndarray:
    """(runs, length) p-values, each row among held-out scores of its own."""
    found = []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        sample = rng.normal(size=held_out + length) if draw == "normal" else rng.integers(0, 3, held_out + length) / 2.0
        found.append(p_values(Urn(sample[:held_out], rng), sample[held_out:], rng, learn))
    return np.array(found)


@pytest.mark.parametrize("draw", ["normal", "three values"])
@pytest.mark.parametrize("held_out", [0, 15, 200])
def test_p_values_are_uniform_and_independent_whatever_the_held_out_set(held_out: int, draw: str) -> None:
    p = many_streams(held_out, 60, 150, draw, learn=True)
    assert kstest(p.ravel(), "uniform").pvalue > 0.001
    # The mean of a row would stray with its held-out set if the p-values were uniform on average only.
    assert kstest(p.mean(axis=1), "norm", (0.5, (1 / 12 / 60) ** 0.5)).pvalue > 0.001
    assert spearmanr(p[:, :-1].ravel(), p[:, 1:].ravel()).pvalue > 0.001


def test_a_set_that_does_not_learn_is_biased_for_itself() -> None:
    p = many_streams(15, 60, 300, "normal", learn=False)
    assert kstest(p.mean(axis=1), "norm", (0.5, (1 / 12 / 60) ** 0.5)).pvalue < 1e-6


def test_few_scores_are_ranked_as_by_counting_every_gap() -> None:
    rng = np.random.default_rng(3)
    held_out, stream = rng.normal(size=BLOCKS - 1), rng.normal(size=300)
    urn, gaps, ordered = Urn(held_out, rng), np.ones(BLOCKS), sorted(held_out.tolist())
    for score in stream.tolist():
        u = rng.random()
        gap = bisect_right(ordered, score)
        assert urn.p_value(score, 0.5, u) == pytest.approx((gaps[gap + 1 :].sum() + u * gaps[gap]) / gaps.sum())
        gaps[gap] += 1


@given(st.integers(0, 20_000))
def test_blocks_are_single_gaps_at_both_ends_and_none_is_wide(count: int) -> None:
    ranks = edge_ranks(count)
    widths = np.diff([0, *ranks, count + 1])
    assert (widths >= 1).all()
    assert widths[0] == widths[-1] == 1
    assert widths.max() <= max(1, np.ceil((count + 1) / BLOCKS))
    assert len(ranks) <= BLOCKS + 2 * 16


def test_blocks_of_many_scores_are_equal_but_for_those_that_are_halved() -> None:
    step = 5000 / BLOCKS
    ends = [1, 2, 4, 9, 19, 39, 78]
    equal = [int(step * k) for k in range(1, BLOCKS)]
    assert edge_ranks(4999).tolist() == ends + equal + [4999 - rank for rank in reversed([0, *ends])]


def test_a_score_above_all_others_is_rare_at_once() -> None:
    rng = np.random.default_rng(0)
    urn = Urn(rng.normal(size=4999), rng)
    assert max(p_values(urn, np.full(3, 99.0), rng)) < 1e-3
    assert min(p_values(urn, np.full(3, -99.0), rng)) > 1 - 1e-3


def test_p_values_by_class_stay_uniform_when_classes_come_in_other_shares() -> None:
    found: list[float] = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        predicted = rng.choice(4, 400, p=[0.5, 0.3, 0.18, 0.02])
        urns = ClassUrns(rng.normal(size=400) + 3 * predicted, predicted, 4, rng)
        drawn = rng.choice(4, 100, p=[0.05, 0.05, 0.7, 0.2]).tolist()
        found += [urns.of_class(k).p_value(rng.normal() + 3 * k, rng.random(), rng.random()) for k in drawn]
    assert kstest(found, "uniform").pvalue > 0.001


def test_small_classes_share_an_urn() -> None:
    rng = np.random.default_rng(0)
    urns = ClassUrns(rng.random(105), np.repeat([0, 1, 2], [100, 3, 2]), 4, rng)
    assert len(urns.urns) == 2
    assert urns.of_class(1) is urns.of_class(2) is urns.of_class(3)
    assert sum(urns.of_class(1).counts) == 6
    assert sum(urns.of_class(0).counts) == 101


def test_what_was_learned_is_forgotten_and_kept_counts_go_on() -> None:
    rng = np.random.default_rng(1)
    urn, fresh = (Urn(np.arange(9.0), np.random.default_rng(0)) for _ in range(2))
    before = list(urn.counts)
    p_values(urn, np.array([3.5, 99.0]), rng)
    kept = list(urn.counts)
    fresh.restore(kept)
    assert fresh.p_value(5.5, 0.5, 0.5) == urn.p_value(5.5, 0.5, 0.5)
    for score in (5.5, 3.5, 99.0):
        urn.forget(score, 0.5)
    assert urn.counts == before
    assert urn.p_value(99.0, 0.5, 0.5, learn=False) == 0.5 / sum(before)


def test_thirty_images_are_enough_for_an_urn() -> None:
    rng = np.random.default_rng(0)
    urns = ClassUrns(rng.random(89), np.repeat([0, 1, 2], [30, 29, 30]), 3, rng)
    assert [sum(urn.counts) for urn in urns.urns] == [30, 31, 31]
