"""Split-conformal prediction sets: enough classes that the true one is among them as often as promised."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError
from eyas.evaluate.arrays import Floats, Ints, check_labels, check_probabilities

# Keeps 0.9 · 10, which floating point may make 9.000000000000002, from being rounded up to 10.
ROUNDING = 1e-9


def fit_threshold(probabilities: Floats, labels: Ints, coverage: float) -> float:
    """The threshold t for which the sets {k : p_k ≥ t} hold the true class at least `coverage` of the time.

    t is the r-th largest p_y over the n calibration images, r = ⌈(n + 1) · coverage⌉. The + 1 counts the image to come:
    if it is exchangeable with these, P(p_y ≥ t) ≥ coverage over both draws, and ≤ coverage + 1 / (n + 1) without ties.
    The promise is for images in general, not for each class.

    Args:
        probabilities: (n, K), rows sum to 1, of images used neither in training nor to choose the model.
        labels: (n,) class indices in [0, K).
        coverage: in (0, 1).

    Returns:
        t in [0, 1]. 0, the set of all classes, where r > n: fewer than coverage / (1 - coverage) images (9 for 0.9,
        99 for 0.99) cannot support any smaller set.

    Raises:
        DataError: shapes that do not fit, rows that are no distributions, a coverage outside (0, 1).

    Sources: Sadinle, Lei & Wasserman 2019, *Least Ambiguous Set-Valued Classifiers*, §2; Vovk, Gammerman & Shafer 2005.
    """
    check_probabilities(probabilities)
    check_labels(labels, *probabilities.shape)
    if not 0 < coverage < 1:
        raise DataError(f"coverage must be greater than 0 and less than 1, got {coverage}")
    n = len(labels)
    r = math.ceil((n + 1) * coverage - ROUNDING)
    if r > n:
        return 0.0
    truth = probabilities[np.arange(n), labels]
    return min(1.0, float(np.partition(truth, n - r)[n - r]))


def prediction_sets(probabilities: Floats, threshold: float) -> NDArray[np.bool_]:
    """The classes k with p_k ≥ threshold.

    A set may be empty: no class is probable enough, which is itself a sign of an image unlike those of calibration.

    Args:
        probabilities: (N, K), rows sum to 1.
        threshold: of `fit_threshold`, in [0, 1].

    Returns:
        (N, K) bool.

    Raises:
        DataError: rows that are no distributions, a threshold outside [0, 1].
    """
    check_probabilities(probabilities)
    if not 0 <= threshold <= 1:
        raise DataError(f"threshold must be at least 0 and at most 1, got {threshold}")
    sets: NDArray[np.bool_] = probabilities >= threshold
    return sets
