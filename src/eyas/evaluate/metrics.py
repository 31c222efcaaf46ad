"""Accuracy, per-class scores, likelihood and calibration of one split, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError
from eyas.evaluate.arrays import Floats, Ints, check_labels, check_probabilities
from eyas.evaluate.bootstrap import Interval, Scored, intervals

# One certain mistake costs at most -ln(1e-12) = 27.6 nats, so a probability that underflowed to 0 stays finite.
PROBABILITY_FLOOR = 1e-12
BINS = 15
TOP = 5
FIGURES = (("accuracy", "accuracy"), ("top5", "top 5"), ("macro_f1", "macro F1"), ("nll", "NLL"), ("ece", "ECE"))


@dataclass(frozen=True)
class Averages:
    """Precision, recall and F1 averaged over classes."""

    precision: float
    recall: float
    f1: float

    def to_json(self) -> dict[str, float]:
        """A plain dict."""
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1}


@dataclass(frozen=True, eq=False)
class ReliabilityBins:
    """Images grouped by the confidence of their prediction, for the ECE and the reliability diagram."""

    edges: NDArray[np.float64]
    """(B+1,) from 0 to 1; bin b holds edges[b] < confidence ≤ edges[b+1]."""
    counts: NDArray[np.int64]
    """(B,) images."""
    confidence: NDArray[np.float64]
    """(B,) mean confidence; NaN in an empty bin."""
    accuracy: NDArray[np.float64]
    """(B,) share of right predictions; NaN in an empty bin."""

    def to_json(self) -> list[dict[str, float | int | None]]:
        """One object a bin; null where it is empty."""
        return [
            {
                "low": float(self.edges[b]),
                "high": float(self.edges[b + 1]),
                "count": int(self.counts[b]),
                "confidence": float(self.confidence[b]) if self.counts[b] else None,
                "accuracy": float(self.accuracy[b]) if self.counts[b] else None,
            }
            for b in range(len(self.counts))
        ]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything that is said of a model on one split of N images and K classes."""

    classes: tuple[str, ...]
    images: int
    accuracy: float
    top5: float
    """Share of labels among the min(5, K) most probable classes."""
    nll: float
    """Mean negative log-likelihood in nats."""
    ece: float
    """Expected calibration error, in [0, 1]."""
    macro: Averages
    """Over the classes that have images."""
    weighted: Averages
    """By each class's images."""
    precision: NDArray[np.float64]
    """(K,); 0 for a class that is never predicted."""
    recall: NDArray[np.float64]
    """(K,); 0 for a class without images."""
    f1: NDArray[np.float64]
    """(K,); 0 where precision and recall are."""
    support: NDArray[np.int64]
    """(K,) images of each class."""
    confusion: NDArray[np.int64]
    """(K, K) images; row = true class, column = predicted class."""
    bins: ReliabilityBins
    intervals: dict[str, Interval]
    """95 % intervals of accuracy, top5, macro_f1, nll and ece."""
    resamples: int
    """Bootstrap resamples behind the intervals."""

    def summary(self) -> dict[str, Any]:
        """The scalars and their intervals as a plain dict, small enough for a manifest."""
        return {
            "images": self.images,
            "accuracy": self.accuracy,
            "top5": self.top5,
            "macro_f1": self.macro.f1,
            "nll": self.nll,
            "ece": self.ece,
            "intervals": {name: list(interval) for name, interval in self.intervals.items()},
            "resamples": self.resamples,
        }

    def to_json(self) -> dict[str, Any]:
        """All of it as plain dicts, lists and numbers, none of them NaN."""
        return {
            **self.summary(),
            "macro": self.macro.to_json(),
            "weighted": self.weighted.to_json(),
            "per_class": self.per_class(),
            "reliability": self.bins.to_json(),
            "confusion": self.confusion.tolist(),
        }

    def figures(self) -> list[tuple[str, str, str]]:
        """Metric, value and 95 % interval, as people read them."""
        summary = self.summary()
        rows = []
        for key, label in FIGURES:
            low, high = self.intervals[key]
            rows.append((label, f"{summary[key]:.4f}", f"{low:.4f} to {high:.4f}"))
        return rows

    def per_class(self) -> list[dict[str, Any]]:
        """One row a class: class, precision, recall, f1, support."""
        columns = (self.classes, self.precision.tolist(), self.recall.tolist(), self.f1.tolist(), self.support.tolist())
        names = ("class", "precision", "recall", "f1", "support")
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def evaluate(
    probabilities: Floats, labels: Ints, classes: Sequence[str], *, resamples: int = 1000, seed: int = 0
) -> Evaluation:
    """Measure predictions against labels.

    The predicted class is the most probable; the first of equals. Precision_k = TP_k / predicted_k, recall_k =
    TP_k / support_k, F1_k = 2 TP_k / (predicted_k + support_k), each 0 where its denominator is. The macro averages are
    over the classes that have images: for the others recall is unknown, not 0. (scikit-learn averages over the classes
    that are in the labels *or* predicted, which differs only where a class without images is predicted.)

    Args:
        probabilities: (N, K), rows sum to 1; N ≥ 1, K ≥ 2.
        labels: (N,) class indices in [0, K).
        classes: K names.
        resamples: bootstrap resamples for the 95 % intervals.
        seed: of the resamples.

    Raises:
        DataError: shapes that do not fit, no images, labels out of range, rows that are no distributions.

    Sources: ECE: Naeini et al. 2015; Guo et al. 2017, eq. 3. Intervals: Efron & Tibshirani 1993, §13.3.
    """
    check_probabilities(probabilities)
    count, size = probabilities.shape
    check_labels(labels, count, size)
    if len(classes) != size:
        raise DataError(f"classes must be {size} names, one for each column of probabilities, got {len(classes)}")
    if not count:
        raise DataError("an evaluation needs at least 1 image, got 0")
    if resamples < 1:
        raise DataError(f"resamples must be at least 1, got {resamples}")
    scored = _score(probabilities.astype(np.float64), labels.astype(np.int64))
    confusion = confusion_matrix(scored.labels, scored.predicted, size)
    precision, recall, f1 = _per_class(confusion)
    support = confusion.sum(axis=1)
    bins, ece = _reliability(scored)
    return Evaluation(
        classes=tuple(classes),
        images=count,
        accuracy=float(scored.correct.mean()),
        top5=float(scored.in_top.mean()),
        nll=float(scored.nll.mean()),
        ece=ece,
        macro=_average(precision, recall, f1, (support > 0).astype(np.float64)),
        weighted=_average(precision, recall, f1, support.astype(np.float64)),
        precision=precision,
        recall=recall,
        f1=f1,
        support=support,
        confusion=confusion,
        bins=bins,
        intervals=intervals(scored, resamples, seed),
        resamples=resamples,
    )


@dataclass(frozen=True)
class Scores:
    """Five figures of one split, without intervals: quick enough for every epoch."""

    accuracy: float
    top5: float
    """Share of labels among the min(5, K) most probable classes."""
    balanced_accuracy: float
    """Mean recall of the classes that have images."""
    macro_f1: float
    """Mean F1 of the classes that have images."""
    ece: float
    """Expected calibration error, in [0, 1]."""


def quick_scores(probabilities: Floats, labels: Ints) -> Scores:
    """The figures of `evaluate`, of arguments that are known to be sound: (N, K) and (N,), N ≥ 1."""
    scored = _score(probabilities.astype(np.float64), labels.astype(np.int64))
    confusion = confusion_matrix(scored.labels, scored.predicted, scored.classes)
    _, recall, f1 = _per_class(confusion)
    seen = confusion.sum(axis=1) > 0
    return Scores(
        accuracy=float(scored.correct.mean()),
        top5=float(scored.in_top.mean()),
        balanced_accuracy=float(recall[seen].mean()),
        macro_f1=float(f1[seen].mean()),
        ece=_reliability(scored)[1],
    )


def confusion_matrix(labels: Ints, predicted: Ints, size: int) -> NDArray[np.int64]:
    """Images of each true class (row) and predicted class (column): (size, size)."""
    keys = labels.astype(np.int64) * size + predicted
    return np.bincount(keys, minlength=size * size).reshape(size, size).astype(np.int64)


def _score(probs: NDArray[np.float64], labels: NDArray[np.int64]) -> Scored:
    rows = np.arange(len(labels))
    truth = probs[rows, labels]
    # An earlier class wins a tie, as in argmax, so that top-1 by rank is the accuracy.
    earlier = np.arange(probs.shape[1]) < labels[:, None]
    rank = ((probs > truth[:, None]) | ((probs == truth[:, None]) & earlier)).sum(axis=1)
    predicted = probs.argmax(axis=1)
    confidence = probs[rows, predicted]
    return Scored(
        classes=probs.shape[1],
        labels=labels,
        predicted=predicted.astype(np.int64),
        in_top=(rank < TOP).astype(np.float64),
        nll=-np.log(np.clip(truth, PROBABILITY_FLOOR, 1.0)),
        confidence=confidence,
        bins=np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1),
        bin_count=BINS,
    )


def _per_class(confusion: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1: (K,) each."""
    hits = np.diag(confusion).astype(np.float64)
    predicted, support = confusion.sum(axis=0), confusion.sum(axis=1)
    # Where a denominator is 0, so is the numerator: max(·, 1) makes the quotient 0.
    return (
        hits / np.maximum(predicted, 1),
        hits / np.maximum(support, 1),
        2 * hits / np.maximum(predicted + support, 1),
    )


def _average(
    precision: NDArray[np.float64], recall: NDArray[np.float64], f1: NDArray[np.float64], weights: NDArray[np.float64]
) -> Averages:
    mean_precision, mean_recall, mean_f1 = (float(np.average(v, weights=weights)) for v in (precision, recall, f1))
    return Averages(mean_precision, mean_recall, mean_f1)


def _reliability(scored: Scored) -> tuple[ReliabilityBins, float]:
    """The bins, and ECE = Σ_b (n_b / N) |accuracy_b - confidence_b|."""
    counts = np.bincount(scored.bins, minlength=BINS).astype(np.int64)
    filled = np.where(counts > 0, counts, np.nan)
    confidence = np.bincount(scored.bins, weights=scored.confidence, minlength=BINS) / filled
    accuracy = np.bincount(scored.bins, weights=scored.correct, minlength=BINS) / filled
    ece = float(np.nansum(counts * np.abs(accuracy - confidence)) / counts.sum())
    return ReliabilityBins(np.linspace(0, 1, BINS + 1), counts, confidence, accuracy), ece
