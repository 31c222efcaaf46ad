"""The difference of two models' accuracies on the same images, and many such at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError
from eyas.evaluate.bootstrap import Interval


def paired_difference(one: NDArray[np.bool_], other: NDArray[np.bool_], level: float = 0.95) -> tuple[float, Interval]:
    """d = (b - c) / n and its interval, b images that `one` alone gets right, c that `other` alone does.

    The interval is Wald's after half an image is added to each of the four cells of the 2 × 2 table, so that it does
    not shrink to a point where the two agree on every image:

        p₁ = (b + 1/2) / (n + 2),  p₂ = (c + 1/2) / (n + 2),  (p₁ - p₂) ± z √((p₁ + p₂ - (p₁ - p₂)²) / (n + 2))

    Args:
        one, other: (n,) bool, n ≥ 1: right or wrong, on the same images in the same order.
        level: of the interval.

    Raises:
        DataError: shapes that differ, or no images.

    Source: Agresti & Min 2005, *Simple improved confidence intervals for comparing matched proportions* (Wald+2).
    """
    if one.shape != other.shape or one.ndim != 1 or not len(one):
        raise DataError(f"paired answers must be two arrays (n,) of one length, n ≥ 1, got {one.shape}, {other.shape}")
    n, b, c = len(one), int((one & ~other).sum()), int((other & ~one).sum())
    p1, p2 = (b + 0.5) / (n + 2), (c + 0.5) / (n + 2)
    half = NormalDist().inv_cdf((1 + level) / 2) * sqrt((p1 + p2 - (p1 - p2) ** 2) / (n + 2))
    return (b - c) / n, Interval(max(-1.0, p1 - p2 - half), min(1.0, p1 - p2 + half))


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for their number: p̃_(j) = max_{i ≤ j} min(1, (m - i + 1) p_(i)), in the order given.

    The chance of even one false difference among all is at most the level that p̃ is held against.

    Source: Holm 1979.
    """
    order = np.argsort(p, kind="stable")
    corrected, largest = [1.0] * len(p), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[index]))
        corrected[index] = largest
    return corrected
