from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.core.errors import DataError
from eyas.evaluate import fit_threshold, prediction_sets, softmax


def exchangeable(rng: np.random.Generator, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """A mediocre, miscalibrated model: conformal coverage must hold for any."""
    labels = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k)) * 3
    logits[np.arange(n), labels] += 2
    return softmax(logits), labels


def two(p: list[float]) -> np.ndarray:
    """Two-class rows whose first class has these probabilities."""
    first = np.array(p)
    return np.stack([first, 1 - first], axis=1)


@pytest.mark.parametrize(("n", "coverage"), [(20, 0.8), (100, 0.9), (500, 0.95)])
def test_covers_new_images_as_promised(n: int, coverage: float) -> None:
    rng = np.random.default_rng(4)
    trials, fresh, hits = 400, 50, 0
    for _ in range(trials):
        probs, labels = exchangeable(rng, n + fresh, 6)
        threshold = fit_threshold(probs[:n], labels[:n], coverage)
        hits += int(prediction_sets(probs[n:], threshold)[np.arange(fresh), labels[n:]].sum())
    found = hits / (trials * fresh)
    # Given its calibration images, coverage is Beta: a variance of c(1-c)/(n+2) a trial, and the binomial's.
    spread = np.sqrt(coverage * (1 - coverage) * (1 / (trials * (n + 2)) + 1 / (trials * fresh)))
    assert coverage - 3.3 * spread <= found <= coverage + 1 / (n + 1) + 3.3 * spread


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.integers(0, 60), st.floats(0.05, 0.95))
def test_enough_calibration_images_are_inside_their_own_sets(seed: int, n: int, coverage: float) -> None:
    probs, labels = exchangeable(np.random.default_rng(seed), n, 4)
    threshold = fit_threshold(probs, labels, coverage)
    assert 0 <= threshold <= 1
    inside = prediction_sets(probs, threshold)[np.arange(n), labels].sum()
    assert inside >= min(n, np.ceil((n + 1) * coverage - 1e-9))
    assert threshold >= fit_threshold(probs, labels, min(0.99, coverage + 0.04))  # more coverage, larger sets


def test_nine_images_are_the_fewest_for_ninety_percent() -> None:
    probs = two([0.9, 0.2, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.95])
    assert fit_threshold(probs[:8], np.zeros(8, int), 0.9) == 0
    assert fit_threshold(probs, np.zeros(9, int), 0.9) == pytest.approx(0.2)  # the least of nine
    assert fit_threshold(probs, np.zeros(9, int), 0.5) == pytest.approx(0.6)  # the 5th largest


def test_no_images_gives_every_class() -> None:
    threshold = fit_threshold(np.zeros((0, 3)), np.zeros(0, int), 0.9)
    assert threshold == 0
    assert prediction_sets(np.array([[1.0, 0.0, 0.0]]), threshold).all()


def test_the_threshold_itself_is_inside_in_single_precision() -> None:
    rng = np.random.default_rng(0)
    probs = softmax(rng.normal(size=(99, 5)).astype(np.float32))
    threshold = fit_threshold(probs, rng.integers(0, 5, 99), 0.9)
    assert (probs == np.float32(threshold)).any()
    np.testing.assert_array_equal(prediction_sets(probs, threshold), probs >= np.float32(threshold))


def test_a_set_may_be_empty_and_a_sure_model_has_threshold_one() -> None:
    assert fit_threshold(np.tile([1.0, 0.0], (50, 1)), np.zeros(50, int), 0.9) == 1
    assert prediction_sets(two([0.6, 1.0]), 0.9).tolist() == [[False, False], [True, False]]


@pytest.mark.parametrize("coverage", [0.0, 1.0, -1.0, float("nan")])
def test_a_coverage_outside_its_range_is_refused(coverage: float) -> None:
    with pytest.raises(DataError, match="coverage must be greater than 0 and less than 1"):
        fit_threshold(two([0.5]), np.array([0]), coverage)


def test_a_threshold_outside_its_range_is_refused() -> None:
    with pytest.raises(DataError, match=r"threshold must be at least 0 and at most 1, got 1\.5"):
        prediction_sets(two([0.5]), 1.5)
