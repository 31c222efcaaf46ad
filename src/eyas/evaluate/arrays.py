"""The check of scores and labels at this room's public boundary; everything inside trusts it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

# Rows of a float32 softmax, or of one averaged over views, sum to 1 within this.
SUM_TOLERANCE = 1e-3


def check_labels(labels: Ints, rows: int, classes: int) -> None:
    """Refuse labels that are not (rows,) integers in [0, classes)."""
    if labels.shape != (rows,):
        raise DataError(f"labels must have shape ({rows},), one for each row of scores, got {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"labels must be integers, got {labels.dtype}")
    if rows and not 0 <= labels.min() <= labels.max() < classes:
        raise DataError(f"labels must lie in [0, {classes - 1}], got {labels.min()} to {labels.max()}")


def check_scores(name: str, scores: Floats) -> None:
    """Refuse scores that are not finite floats of shape (N, K) with K ≥ 2."""
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise DataError(f"{name} must have shape (N, K) with K of at least 2, got {scores.shape}")
    if not np.issubdtype(scores.dtype, np.floating):
        raise DataError(f"{name} must be floating-point numbers, got {scores.dtype}")
    finite = np.isfinite(scores).all(axis=1)
    if not finite.all():
        raise DataError(f"{name} must be finite, got {scores[~finite][0]} in row {int(np.argmin(finite))}")


def check_probabilities(probabilities: Floats) -> None:
    """Refuse rows that are not probability distributions."""
    check_scores("probabilities", probabilities)
    totals = probabilities.sum(axis=1, dtype=np.float64)
    wrong = (probabilities.min(axis=1) < 0) | (np.abs(totals - 1) > SUM_TOLERANCE)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"probabilities must be at least 0 and sum to 1, got a least value of {probabilities[row].min():.6g} "
            f"and a sum of {totals[row]:.6g} in row {row}"
        )
