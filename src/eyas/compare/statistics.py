"""How sure a mean over seeds and images is, and a difference of two that were paired by both.

Symbols: S seeds, N images, x_si what run s says of image i (1 right, 0 wrong, or the difference of two such), x̄ its
mean. The accuracy of a *procedure* (train with a new seed, judge a new image) varies with both:

    Var(x̄) ≈ A + B,  A = s²_seed / S,  B = s²_image / N

with s²_seed the sample variance of the S row means and s²_image that of the N column means. For crossed random effects
each holds the residual's share σ²_e / (S N) once, so that the sum is never too small on average. The degrees of freedom
are Satterthwaite's, ν = (A + B)² / (A² / (S - 1) + B² / (N - 1)).

Sources: Gallas et al. 2009, *A framework for random-effects ROC analysis*; Satterthwaite 1946.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from eyas.core.errors import DataError

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval, and the test that it is 0."""

    mean: float
    low: float
    high: float
    p: float
    """Two-sided; 1 where nothing varies and the mean is 0."""

    def to_json(self) -> dict[str, float]:
        """A plain dict."""
        return {"mean": self.mean, "low": self.low, "high": self.high, "p": self.p}


def estimate(x: NDArray[Any], level: float = LEVEL) -> Estimate:
    """The mean of x over seeds and images, for new seeds and new images.

    With one seed nothing is known of others: the interval is then for new images alone. With one image (N = 1, a figure
    of each run) it is Student's over seeds.

    Args:
        x: (S, N) of any numeric dtype, S · N ≥ 2.
        level: of the interval.

    Raises:
        DataError: another shape.
    """
    if x.ndim != 2 or x.size < 2:
        raise DataError(f"an estimate needs (seeds, images) with at least 2 values, got the shape {x.shape}")
    x = x.astype(np.float64)
    seeds, images = x.shape
    mean = float(x.mean())
    a = float(x.mean(1).var(ddof=1)) / seeds if seeds > 1 else 0.0
    b = float(x.mean(0).var(ddof=1)) / images if images > 1 else 0.0
    if a + b <= 1e-30:  # nothing varies
        return Estimate(mean, mean, mean, 1.0 if abs(mean) < 1e-12 else 0.0)
    freedom = (a + b) ** 2 / ((a * a / (seeds - 1) if a else 0.0) + (b * b / (images - 1) if b else 0.0))
    error = sqrt(a + b)
    half = float(student.ppf((1 + level) / 2, freedom)) * error
    return Estimate(mean, mean - half, mean + half, float(2 * student.sf(abs(mean) / error, freedom)))


def paired(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> Estimate:
    """`one` less `other`: x_si is the difference of two runs with the same seed on the same image.

    Args:
        one, other: (S, N) bool, right or wrong; row s of both is of the same seed, column i of the same image.

    Raises:
        DataError: shapes that differ.
    """
    if one.shape != other.shape:
        raise DataError(f"paired runs need the same seeds and images, got {one.shape} and {other.shape}")
    return estimate(one.astype(np.int8) - other.astype(np.int8))
