"""Whether the splits come from one source."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eyas.diagnose.evidence import Evidence
from eyas.diagnose.findings import Finding, Severity

# ½ is chance. Below .6 the two overlap so far that a classifier of images is hardly touched.
SEPARABLE = 0.6
DEVIATIONS = 3.0
SIGNIFICANCE = 0.001
LEAST_IMAGES = 30


def of_splits(evidence: Evidence) -> Iterator[Finding]:
    """Leaks, other images and other proportions of classes than training has."""
    for split, (images, size) in evidence.leaks.items():
        severity: Severity = "problem" if images > 0.01 * size else "warning"
        yield Finding(f"leak-{split}", severity, {"images": images, "share": images / size, "split": split})
    for split in evidence.thumbnails:
        if split == "train":
            continue
        found = separability(evidence.thumbnails["train"], evidence.thumbnails[split])
        if found and found[0] - DEVIATIONS * found[1] > SEPARABLE:
            yield Finding("shift", "problem", {"split": split, "auc": found[0]})
        p = class_shift(evidence.shares["train"], evidence.shares[split])
        if p < SIGNIFICANCE:
            yield Finding("class-shift", "warning", {"split": split, "p": p})


def separability(train: NDArray[np.float32], other: NDArray[np.float32]) -> tuple[float, float] | None:
    """How well a logistic regression tells images of one split from those of another: AUC and its standard error.

    The error is that of the Mann-Whitney statistic for equal distributions, √((m + n + 1) / (12 m n)).

    Args:
        train: (m, d) coarse pixels.
        other: (n, d).

    Returns:
        None where either has too few images to tell.

    Source: Lopez-Paz & Oquab 2017, *Revisiting Classifier Two-Sample Tests*.
    """
    m, n = len(train), len(other)
    if min(m, n) < LEAST_IMAGES:
        return None
    truth = np.repeat([0, 1], [m, n])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200, class_weight="balanced"))
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough: only the order of the scores counts
        scores = cross_val_predict(model, np.concatenate([train, other]), truth, cv=folds, method="decision_function")
    return float(roc_auc_score(truth, scores)), ((m + n + 1) / (12 * m * n)) ** 0.5


def class_shift(train: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """p of Pearson's χ² test that both splits have the same proportions of classes; 1 where it cannot be made."""
    table = np.array([train, other])[:, train + other > 0]
    if table.shape[1] < 2 or (table.sum(axis=1) == 0).any():
        return 1.0
    return float(chi2_contingency(table).pvalue)


def thumbnails(images: NDArray[np.uint8], side: int = 8) -> NDArray[np.float32]:
    """(n, d) means over a grid of at most `side`×`side` cells of each channel, in [0, 1].

    Args:
        images: (n, H, W, C) uint8.
    """
    rows, columns = (np.unique(np.linspace(0, length, side + 1).astype(int)[:-1]) for length in images.shape[1:3])
    sums = np.add.reduceat(np.add.reduceat(images.astype(np.float32), rows, axis=1), columns, axis=2)
    heights, widths = (
        np.diff([*starts, length]) for starts, length in zip((rows, columns), images.shape[1:3], strict=True)
    )
    means: NDArray[np.float32] = (sums / (255 * np.outer(heights, widths)[None, :, :, None])).astype(np.float32)
    return means.reshape(len(images), -1)
