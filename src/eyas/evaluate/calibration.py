"""Temperature scaling: the one number that makes a network's confidence mean what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError
from eyas.evaluate.arrays import Floats, Ints, check_labels, check_scores

T_MIN, T_MAX = 0.05, 20.0
STEPS = 100
PRECISION = 1e-9


def softmax(logits: Floats, temperature: float = 1.0) -> NDArray[np.floating[Any]]:
    """p_k = exp(z_k / T) / Σ_j exp(z_j / T).

    Args:
        logits: (N, K).
        temperature: T > 0; above 1 it softens, below 1 it sharpens; the largest logit stays the largest.

    Returns:
        (N, K) of the logits' dtype, rows sum to 1; computed in float64.

    Raises:
        DataError: logits that are no (N, K) finite floats, or a temperature that is not positive.
    """
    check_scores("logits", logits)
    if not temperature > 0:
        raise DataError(f"temperature must be greater than 0, got {temperature}")
    probabilities: NDArray[np.floating[Any]] = _softmax(_shifted(logits) / temperature).astype(logits.dtype)
    return probabilities


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """The temperature T in [0.05, 20] whose softmax(z / T) has the least NLL on held-out images.

    With β = 1 / T the NLL is convex: its slope is mean(Σ_k p_k z_k - z_y) and its curvature is the mean variance of z
    under p, so the minimum is where the slope crosses 0, found by Newton's steps kept inside a shrinking bracket.

    Args:
        logits: (N, K) of images that the network was not trained on.
        labels: (N,) class indices in [0, K).

    Returns:
        T; 1.0, which changes nothing, where the images cannot tell: there are none, every logit in a row is the same,
        or every answer is right (then the NLL falls for ever as T → 0, and the best T would say "certain").

    Raises:
        DataError: shapes that do not fit, logits that are not finite, labels out of range.

    Source: Guo et al. 2017, *On Calibration of Modern Neural Networks*, §4.2.
    """
    check_scores("logits", logits)
    check_labels(labels, *logits.shape)
    z = _shifted(logits)
    truth = z[np.arange(len(z)), labels]
    # After the shift the largest logit of a row is 0: all of `truth` at 0 is all right, or tied with the best.
    if not truth.any():
        return 1.0
    beta = _root(z, float(truth.mean()), 1 / T_MAX, 1 / T_MIN)
    return float(np.clip(1 / beta, T_MIN, T_MAX))


def _root(z: NDArray[np.float64], truth: float, low: float, high: float) -> float:
    """The β in [low, high] where the slope of the NLL is 0, or the end that is nearest to it."""
    if _slope(z, truth, low)[0] >= 0:
        return low
    if _slope(z, truth, high)[0] <= 0:
        return high
    beta = 1.0
    for _ in range(STEPS):
        slope, curvature = _slope(z, truth, beta)
        low, high = (low, beta) if slope > 0 else (beta, high)
        following = beta - slope / curvature if curvature > 0 else low
        if abs(following - beta) <= PRECISION * beta:
            break
        beta = following if low < following < high else (low * high) ** 0.5
    return beta


def _slope(z: NDArray[np.float64], truth: float, beta: float) -> tuple[float, float]:
    """First and second derivative of the NLL by β."""
    p = _softmax(beta * z)
    mean = (p * z).sum(axis=1)
    variance = (p * z * z).sum(axis=1) - mean**2
    return float(mean.mean()) - truth, float(variance.mean())


def _shifted(logits: Floats) -> NDArray[np.float64]:
    """The logits less the largest of their row: the same softmax, and no overflow in exp."""
    z = logits.astype(np.float64)
    shifted: NDArray[np.float64] = z - z.max(axis=1, keepdims=True)
    return shifted


def _softmax(shifted: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(shifted)
    rows: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return rows
