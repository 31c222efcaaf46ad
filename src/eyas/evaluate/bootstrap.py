"""Percentile intervals by resampling images, in memory that does not grow with the number of classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Drawn images held at once: bounds the memory at a few arrays of 8 MiB, whatever N, K and the resamples.
CHUNK = 1 << 20

Draws = NDArray[np.int64]


class Interval(NamedTuple):
    """A two-sided interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Scored:
    """What each of N images contributes to the metrics. The arrays are (N,)."""

    classes: int
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    in_top: NDArray[np.float64]
    """1 where the label is among the most probable min(5, K) classes, else 0."""
    nll: NDArray[np.float64]
    """-ln p_y in nats."""
    confidence: NDArray[np.float64]
    """Probability of the predicted class."""
    bins: NDArray[np.int64]
    """Reliability bin of the confidence."""
    bin_count: int

    @property
    def correct(self) -> NDArray[np.float64]:
        """1 where the prediction is right, else 0."""
        right: NDArray[np.float64] = (self.labels == self.predicted).astype(np.float64)
        return right


def intervals(scored: Scored, resamples: int, seed: int, level: float = 0.95) -> dict[str, Interval]:
    """Percentile bootstrap intervals of accuracy, top-5, macro F1, NLL and ECE.

    Images are drawn with replacement, N at a time; the interval is the (1-level)/2 and (1+level)/2 quantiles of the
    metric over the resamples. ECE is biased upwards in small samples and more so in resamples of them, so its interval
    can lie above the estimate where the model is well calibrated: read it as an upper bound.

    Args:
        scored: N ≥ 1 images.
        resamples: how many times N images are drawn.
        seed: of the draws; the same seed gives the same intervals.
        level: the share of resamples inside.

    Source: Efron & Tibshirani 1993, *An Introduction to the Bootstrap*, §13.3.
    """
    parts = [_metrics(scored, draws) for draws in _draws(len(scored.labels), resamples, seed)]
    tails = [(1 - level) / 2, (1 + level) / 2]
    found = {}
    for name in parts[0]:
        low, high = np.quantile(np.concatenate([part[name] for part in parts]), tails)
        found[name] = Interval(float(low), float(high))
    return found


def _draws(images: int, resamples: int, seed: int) -> Iterator[Draws]:
    """(B, N) positions of drawn images, in chunks whose B sum to `resamples`."""
    generator = np.random.default_rng(seed)
    size = max(1, CHUNK // images)
    for start in range(0, resamples, size):
        yield generator.integers(0, images, (min(size, resamples - start), images))


def _metrics(scored: Scored, draws: Draws) -> dict[str, NDArray[np.float64]]:
    """Every metric in every resample: (B,) each."""
    return {
        "accuracy": scored.correct[draws].mean(axis=1),
        "top5": scored.in_top[draws].mean(axis=1),
        "macro_f1": _macro_f1(scored, draws),
        "nll": scored.nll[draws].mean(axis=1),
        "ece": _ece(scored, draws),
    }


def _macro_f1(scored: Scored, draws: Draws) -> NDArray[np.float64]:
    """F1_k = 2 TP_k / (support_k + predicted_k), averaged over the classes that the resample holds."""
    size = scored.classes
    support = _totals(scored.labels, None, draws, size)
    predicted = _totals(scored.predicted, None, draws, size)
    hits = _totals(scored.labels, scored.correct, draws, size)
    f1 = 2 * hits / np.maximum(support + predicted, 1)
    present = support > 0
    means: NDArray[np.float64] = (f1 * present).sum(axis=1) / present.sum(axis=1)
    return means


def _ece(scored: Scored, draws: Draws) -> NDArray[np.float64]:
    """Σ_b |Σ_{i in b} (correct_i - confidence_i)| / N, which is the ECE with its bin counts cancelled."""
    gaps = _totals(scored.bins, scored.correct - scored.confidence, draws, scored.bin_count)
    means: NDArray[np.float64] = np.abs(gaps).sum(axis=1) / draws.shape[1]
    return means


def _totals(
    groups: NDArray[np.int64], values: NDArray[np.float64] | None, draws: Draws, size: int
) -> NDArray[np.float64]:
    """Sum of `values` (or count) by group in each resample: (B, size)."""
    keys = groups[draws] + size * np.arange(len(draws))[:, None]
    weights = None if values is None else values[draws].ravel()
    sums = np.bincount(keys.ravel(), weights=weights, minlength=size * len(draws))
    return sums.reshape(len(draws), size).astype(np.float64)
