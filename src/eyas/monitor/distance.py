"""How far an image's features lie from those of its predicted class.

A Mahalanobis distance with one covariance for all classes (Lee et al. 2018, *A Simple Unified Framework for Detecting
Out-of-Distribution Samples and Adversarial Attacks*, eq. 1 and 2), whose covariance is that of probabilistic PCA
(Tipping & Bishop 1999, eq. 7): the largest r directions of the spread within classes as they are, one variance σ² for
all others. By its inverse (Woodbury),

    σ² d²(x, k) = |x - μ_k|² - |Bᵀ(x - μ_k)|²,   B = V √(1 - σ²/λ)

with V (D, r) the directions and λ their variances: two products instead of a (D, D) one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

AXES = 32
# A class mean counts as if this many more of its features had been the mean of all.
SHRINKAGE = 1.0


@dataclass(frozen=True)
class FeatureDistance:
    """Means (K, D) float32 and B (D, r) float32 of the formula above."""

    means: NDArray[np.float32]
    axes: NDArray[np.float32]

    def to_classes(self, features: NDArray[Any], predicted: NDArray[np.int64]) -> NDArray[np.float32]:
        """σ² d² of each row of (N, D) features to a class: (N,) float32, at least 0. A row's does not depend on N."""
        apart = features.astype(np.float32, copy=False) - self.means[predicted]
        # Row by row: one product of all would round each by how many there are.
        explained = (apart[:, None] @ self.axes)[:, 0]
        length = np.subtract(np.vecdot(apart, apart), np.vecdot(explained, explained), dtype=np.float64)
        distances: NDArray[np.float32] = np.maximum(length, 0).astype(np.float32)
        return distances


def fit_distance(features: NDArray[Any], labels: NDArray[np.int64], classes: int) -> FeatureDistance:
    """Fit to a bank of features.

    Args:
        features: (M, D).
        labels: (M,) in [0, classes).
        classes: K. A class without features takes the mean of all.
    """
    bank = features.astype(np.float64)
    means = _class_means(bank, labels, classes)
    within = bank - means[labels]
    _, singular, directions = np.linalg.svd(within, full_matrices=False)
    variances = singular**2 / max(1, len(bank))
    axes = min(AXES, bank.shape[1] // 2, len(variances))
    rest = max(1, bank.shape[1] - axes)
    sigma2 = variances[axes:].sum() / rest
    held = np.maximum(variances[:axes], np.finfo(float).tiny)
    shares = np.sqrt(np.clip(1 - sigma2 / held, 0, 1))
    return FeatureDistance(means.astype(np.float32), (directions[:axes].T * shares).astype(np.float32))


def _class_means(bank: NDArray[np.float64], labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    overall = bank.sum(axis=0) / max(1, len(bank))
    sums = np.zeros((classes, bank.shape[1]))
    np.add.at(sums, labels, bank)
    counts = np.bincount(labels, minlength=classes)[:, None]
    means: NDArray[np.float64] = (sums + SHRINKAGE * overall) / (counts + SHRINKAGE)
    return means
