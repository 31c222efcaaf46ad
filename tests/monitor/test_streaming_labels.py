from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from eyas.monitor.streaming import likeliest_shares
from eyas.monitor.streaming.shares import ShareBets

PRIOR = np.array([0.5, 0.3, 0.2])


def test_likeliest_shares_are_the_maximum_of_the_likelihood() -> None:
    rng = np.random.default_rng(0)
    probabilities = softmax(rng.normal(size=(400, 3)) * 2 + [1, 0, -1], axis=1)

    def loss(free: np.ndarray) -> float:
        return -float(np.log((probabilities / PRIOR * softmax(np.append(free, 0))).sum(axis=1)).mean())

    best = softmax(np.append(minimize(loss, np.zeros(2)).x, 0))
    np.testing.assert_allclose(likeliest_shares(probabilities, PRIOR), best, atol=1e-3)


def test_likeliest_shares_of_calibrated_probabilities_find_the_shift() -> None:
    rng = np.random.default_rng(1)
    shares, means = np.array([0.1, 0.2, 0.7]), np.array([-1.0, 0.0, 1.5])
    x = rng.normal(size=20_000) + means[rng.choice(3, 20_000, p=shares)]
    joint = PRIOR * np.exp(-((x[:, None] - means) ** 2) / 2)
    found = likeliest_shares(joint / joint.sum(axis=1, keepdims=True), PRIOR)
    np.testing.assert_allclose(found, shares, atol=0.02)


def test_a_class_without_prior_keeps_none() -> None:
    found = likeliest_shares(np.full((5, 3), 1 / 3), np.array([0.5, 0.5, 0.0]))
    assert found[2] == 0
    assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize("counts", [[500, 300, 200], [400, 0, 1], [1000, 0, 0]])
def test_bets_on_classes_are_at_most_fair(counts: list[int]) -> None:
    """Σ_k s_k · payment of a p in the stretch of class k is at most 1, and 1 where every class was seen."""
    shares = np.array(counts) / sum(counts)
    expected = np.zeros(4 * 3 + 1)
    for k in np.flatnonzero(shares):
        bets = ShareBets(np.array(counts))
        for seen in (0, 0, 2):
            bets.pay(seen, 0.4, learn=False)
        expected += shares[k] * bets.pay(int(k), 0.5, learn=False)
    assert (expected <= 1 + 1e-9).all()
    if min(counts) > 0:
        np.testing.assert_allclose(expected, 1)


def test_bets_on_classes_neither_win_nor_lose_while_nothing_changes() -> None:
    paid = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        drawn = rng.choice(3, 400, p=PRIOR)
        bets = ShareBets(np.bincount(drawn[:200], minlength=3))
        paid += [bets.pay(k, rng.random()).copy() for k in drawn[200:].tolist()]
    means, errors = np.mean(paid, axis=0), np.std(paid, axis=0) / len(paid) ** 0.5
    assert (np.abs(means - 1) < 4.5 * errors + 1e-9).all()


def test_the_bet_on_a_class_that_stays_away_wins() -> None:
    rng = np.random.default_rng(2)
    bets = ShareBets(np.array([300, 300, 400]))
    growth = sum(np.log(bets.pay(int(rng.integers(1, 3)), rng.random())) for _ in range(100))
    by_class = growth[:-1].reshape(4, 3)
    assert by_class[:, 0].argmax() == 0  # falls to 0.05 of its share
    assert by_class[0, 0] > 20
    assert growth[-1] > 5  # the window learned it


def test_the_window_forgets_and_goes_on_when_kept() -> None:
    bets = ShareBets(np.array([10, 10]))
    for _ in range(3000):
        bets.pay(0, 0.5)
    for _ in range(400):
        bets.pay(1, 0.5)
    assert bets.recent[1] / bets.recent.sum() == pytest.approx(0.75, abs=0.01)
    other = ShareBets(np.array([10, 10]))
    other.restore(bets.state())
    np.testing.assert_allclose(other.pay(1, 0.3), bets.pay(1, 0.3))
