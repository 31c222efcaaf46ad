from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.core.errors import DataError
from eyas.evaluate import calibration, evaluate, fit_temperature, softmax


def sampled(n: int, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from their softmax: a perfectly calibrated model."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, k)) * 2
    labels = (softmax(logits).cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1)
    return logits, np.minimum(labels, k - 1)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 8.0])
@pytest.mark.parametrize("k", [2, 10])
def test_recovers_a_known_temperature(temperature: float, k: int) -> None:
    logits, labels = sampled(20_000, k)
    assert fit_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.04)


def test_lowers_the_ece_and_nll_of_an_overconfident_model() -> None:
    logits, labels = sampled(20_000, 10)
    logits = (logits * 4).astype(np.float32)
    fitted = fit_temperature(logits[:10_000], labels[:10_000])
    names = [str(k) for k in range(10)]
    before, after = (evaluate(softmax(logits[10_000:], t), labels[10_000:], names, resamples=1) for t in (1.0, fitted))
    assert before.ece > 0.2
    assert after.ece < 0.03
    assert after.nll < before.nll
    assert after.accuracy == before.accuracy


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.integers(2, 8), st.integers(2, 60), st.floats(0.1, 10))
def test_mean_confidence_is_accuracy_within_the_bounds(seed: int, k: int, n: int, scale: float) -> None:
    logits, labels = sampled(n, k, seed)
    fitted = fit_temperature(logits * scale, labels)
    assert 0.05 <= fitted <= 20
    accuracy = (logits.argmax(axis=1) == labels).mean()
    if accuracy == 1:
        assert fitted == 1
        return
    gap = softmax(logits * scale, fitted).max(axis=1).mean() - accuracy
    outside = (fitted == 0.05 and gap < 0) or (fitted == 20 and gap > 0)
    assert outside or abs(gap) < 1e-6


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.floats(0.05, 20))
def test_never_changes_the_prediction(seed: int, temperature: float) -> None:
    logits = np.random.default_rng(seed).normal(size=(20, 5)).astype(np.float32)
    np.testing.assert_array_equal(softmax(logits, temperature).argmax(axis=1), logits.argmax(axis=1))


@pytest.mark.parametrize(
    ("logits", "labels", "expected"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), 1.0),
        (np.zeros((4, 3)), np.array([0, 1, 2, 0]), 1.0),  # every temperature is as good
        (np.eye(3) * 5, np.arange(3), 1.0),  # all right
        (np.eye(3) * 5, np.array([1, 2, 0]), 20.0),  # all wrong: as soft as may be
        (np.eye(3) * 1e-3, np.array([0, 1, 1]), 0.05),  # mostly right by tiny margins: as sharp as may be
        (np.eye(3) * 1e30, np.array([0, 1, 1]), 20.0),  # no overflow
    ],
    ids=["no images", "flat", "separated", "all wrong", "tiny margins", "huge"],
)
def test_edges(logits: np.ndarray, labels: np.ndarray, expected: float) -> None:
    assert fit_temperature(logits, labels) == expected


@pytest.mark.parametrize(
    ("logits", "labels", "most"),
    [
        *((sampled(500, 10)[0] * scale, sampled(500, 10)[1], 8) for scale in (0.1, 1, 10)),
        (np.eye(3) * 5, np.array([1, 2, 0]), 1),  # beyond one end
        (np.eye(3) * 1e-3, np.array([0, 1, 1]), 2),  # beyond the other
        (np.vstack([np.eye(3)] * 20) * 60, np.array([*range(3)] * 19 + [0, 1, 1]), 12),  # flat where it begins
    ],
)
def test_few_steps_find_it(logits: np.ndarray, labels: np.ndarray, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, gap = [], calibration._gap

    def counted(z: np.ndarray, right: float, beta: float) -> tuple[float, float]:
        steps.append(beta)
        return gap(z, right, beta)

    monkeypatch.setattr(calibration, "_gap", counted)
    fit_temperature(logits, labels)
    assert len(steps) <= most


def test_softmax_keeps_the_dtype_and_does_not_overflow() -> None:
    rows = softmax(np.array([[1e4, 0, -1e4]], np.float32), 0.05)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, [[1, 0, 0]])
    np.testing.assert_allclose(softmax(np.array([[0.0, np.log(3)]])), [[0.25, 0.75]])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="temperature must be greater than 0, got -1"):
        softmax(np.zeros((1, 2)), -1)
    with pytest.raises(DataError, match="temperature must be greater than 0, got 0"):
        softmax(np.zeros((1, 2)), 0)
    with pytest.raises(DataError, match=r"^logits must be finite"):
        softmax(np.full((1, 2), np.nan))
    with pytest.raises(DataError, match=r"^logits must be finite"):
        fit_temperature(np.full((1, 2), np.inf), np.array([0]))
    with pytest.raises(DataError, match=r"labels must lie in \[0, 1\]"):
        fit_temperature(np.zeros((1, 2)), np.array([2]))
