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
    """The temperature T in [0.05, 20] at which the mean confidence on held-out images is the accuracy on them.

    Confidence is the probability of the predicted class. It falls as T rises and accuracy stays, so there is one such
    T, found by Newton's steps kept inside a shrinking bracket; the end of the range that is nearest to it where it
    lies outside.

    The T of least NLL (Guo et al. 2017, *On Calibration of Modern Neural Networks*, §4.2) looks at the probabilities of
    all classes: of networks taught with label smoothing it leaves a larger gap between confidence and accuracy, see
    docs/decisions/0028-confidence-is-calibrated-by-its-mean.md.

    Args:
        logits: (N, K) of images that the network was not trained on.
        labels: (N,) class indices in [0, K).

    Returns:
        T; 1.0, which changes nothing, where the images cannot tell: there are none, every logit in a row is the same,
        or every answer is right (then the best T would say "certain").

    Raises:
        DataError: shapes that do not fit, logits that are not finite, labels out of range.

    Source: Clarté, Loureiro, Krzakala & Zdeborová 2023, *Expectation consistency for calibration of neural networks*.
    """
    check_scores("logits", logits)
    check_labels(labels, *logits.shape)
    z = _shifted(logits)
    right = (z.argmax(axis=1) == labels).mean() if len(z) else 1.0
    if right == 1 or not z.any():
        return 1.0
    return 1 / _root(z, float(right), 1 / T_MAX, 1 / T_MIN)


def _root(z: NDArray[np.float64], right: float, low: float, high: float) -> float:
    """The β = 1 / T in [low, high] where the gap is 0, or the end that is nearest to it."""
    if _gap(z, right, low)[0] >= 0:
        return low
    if _gap(z, right, high)[0] <= 0:
        return high
    beta = 1.0
    for _ in range(STEPS):
        gap, slope = _gap(z, right, beta)
        low, high = (low, beta) if gap > 0 else (beta, high)
        following = beta - gap / slope if slope > 0 else low
        if abs(following - beta) <= PRECISION * beta:
            break
        beta = following if low < following < high else (low * high) ** 0.5
    return beta


def _gap(z: NDArray[np.float64], right: float, beta: float) -> tuple[float, float]:
    """Mean confidence less accuracy, and its derivative by β, which is not negative."""
    powers = np.exp(beta * z)
    total = powers.sum(axis=1)  # the largest power of each row is 1, and its share the confidence
    slope = -(powers * z).sum(axis=1) / total**2
    return float((1 / total).mean()) - right, float(slope.mean())


def _shifted(logits: Floats) -> NDArray[np.float64]:
    """The logits less the largest of their row: the same softmax, and no overflow in exp."""
    z = logits.astype(np.float64)
    shifted: NDArray[np.float64] = z - z.max(axis=1, keepdims=True)
    return shifted


def _softmax(shifted: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(shifted)
    rows: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return rows
