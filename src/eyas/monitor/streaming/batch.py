"""A batch of requests that lies there as a whole: does it come from where the held-out images came from?

Where the monitor looks at each request once and for ever, this looks at n together, once: with n fixed beforehand it
finds smaller shifts. Two-sample tests on what the model says, as Rabanser, Günnemann & Lipton 2019, *Failing Loudly*,
found best ("BBSDs", section 3.2), joined by those on the scores and on the counts of predicted classes:

| tests | of | share of the level |
| --- | --- | --- |
| S | Kolmogorov–Smirnov of each score: confidence, energy, distance, pixels | 1/2 |
| K | Kolmogorov–Smirnov of each class's probability | 1/4 |
| K | hypergeometric of the number of predictions of each class | 1/4 |

Bonferroni within each group: the smallest p, times its number of tests, over its share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, lgamma, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError
from eyas.monitor.reference import energy
from eyas.monitor.streaming.calibration import Calibration

SCORES, PROBABILITIES, COUNTS = "scores", "probabilities", "counts"
SHARES = {SCORES: 0.5, PROBABILITIES: 0.25, COUNTS: 0.25}


@dataclass(frozen=True)
class BatchVerdict:
    """What the tests of a batch say together."""

    p_value: float
    """Of all tests: a batch like the held-out images has one of at most α with probability at most α."""
    by_stream: Mapping[str, float]
    """p of each score, uncorrected."""
    by_class: NDArray[np.float64]
    """(2, K) p of each class's probability, and of its number of predictions, uncorrected."""


def compare_batch(
    calibration: Calibration,
    probabilities: NDArray[np.float32],
    logits: NDArray[np.float32],
    features: NDArray[np.float32],
    pixels: NDArray[np.float32],
) -> BatchVerdict:
    """Compare n requests with the held-out images.

    Args:
        calibration: of the model.
        probabilities: (n, K).
        logits: (n, K).
        features: (n, D).
        pixels: (n, 2C) of `eyas.monitor.pixels.all_statistics`.

    Raises:
        DataError: an empty batch.
    """
    if not len(probabilities):
        raise DataError("a batch must have at least one request, got none")
    predicted = probabilities.argmax(axis=1)
    distances = calibration.distance.to_classes(features, predicted)
    own = [1 - probabilities.max(axis=1), energy(logits), distances, *pixels.T]
    held_out = [scores[np.isfinite(scores)] for scores in calibration.scores]
    of_scores = [kolmogorov_smirnov(old, new) for old, new in zip(held_out, own, strict=True)]
    halves = probabilities.astype(np.float16).astype(np.float32)  # as the reference keeps them, so that ties are ties
    of_probabilities = [
        kolmogorov_smirnov(old, new) for old, new in zip(calibration.probabilities.T, halves.T, strict=True)
    ]
    of_counts = _count_p_values(calibration, predicted)
    groups = {SCORES: of_scores, PROBABILITIES: of_probabilities, COUNTS: of_counts}
    smallest = min(min(found) * len(found) / SHARES[name] for name, found in groups.items())
    return BatchVerdict(
        min(1.0, smallest),
        dict(zip(calibration.streams, of_scores, strict=True)),
        np.array([of_probabilities, of_counts]),
    )


def kolmogorov_smirnov(old: NDArray[np.floating[Any]], new: NDArray[np.floating[Any]]) -> float:
    """Two-sided p-value of the two-sample test.

    Kolmogorov's limit, with Stephens' correction for few values: λ = (√m + 0.12 + 0.11/√m) D, m = n₁n₂/(n₁+n₂).
    Ties make it larger.

    Source: Stephens 1970, *Use of the Kolmogorov–Smirnov, Cramér–von Mises and related statistics without extensive
    tables*.
    """
    if not len(old) or not len(new):
        return 1.0
    old, new = np.sort(old), np.sort(new)
    points = np.concatenate([old, new])
    apart = np.searchsorted(old, points, "right") / len(old) - np.searchsorted(new, points, "right") / len(new)
    root = sqrt(len(old) * len(new) / (len(old) + len(new)))
    scaled = (root + 0.12 + 0.11 / root) * float(np.abs(apart).max())
    if scaled < 0.2:
        return 1.0
    terms = [exp(-2 * (k * scaled) ** 2) * (1 if k % 2 else -1) for k in range(1, 101)]
    return min(1.0, max(0.0, 2 * sum(terms)))


def hypergeometric(drawn: int, marked: int, batch: int, total: int) -> float:
    """Two-sided p-value of `drawn` marked ones among `batch` drawn from `total` of which `marked` are marked.

    Twice the smaller tail.
    """
    lowest, highest = max(0, batch + marked - total), min(batch, marked)
    whole = _log_choose(total, batch)
    chances = [
        exp(_log_choose(marked, x) + _log_choose(total - marked, batch - x) - whole) for x in range(lowest, highest + 1)
    ]
    at = drawn - lowest
    return min(1.0, 2 * min(sum(chances[: at + 1]), sum(chances[at:])))


def _count_p_values(calibration: Calibration, predicted: NDArray[np.int64]) -> list[float]:
    old = np.bincount(calibration.predicted, minlength=calibration.classes).tolist()
    new = np.bincount(predicted, minlength=calibration.classes).tolist()
    batch = len(predicted)
    total = batch + len(calibration.predicted)
    return [hypergeometric(drawn, before + drawn, batch, total) for before, drawn in zip(old, new, strict=True)]


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
