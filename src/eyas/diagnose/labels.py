"""Suspected label errors, hard classes and confusing pairs, by probabilities of networks that did not see the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError, needs_extra
from eyas.evaluate import confusion_matrix
from eyas.evaluate.arrays import check_labels, check_probabilities

SURE = 0.95
"""Out-of-sample probability of another class from which a relabel is proposed."""


@dataclass(frozen=True)
class Suspect:
    """An image whose label is probably wrong."""

    position: int
    """In the arrays given."""
    given: str
    suggested: str
    """The most probable class."""
    given_probability: float
    suggested_probability: float


@dataclass(frozen=True)
class ClassScore:
    """One class, out of sample."""

    name: str
    images: int
    recall: float
    precision: float
    f1: float


@dataclass(frozen=True)
class Confusion:
    """Two classes taken for each other."""

    true: str
    predicted: str
    images: int
    share: float
    """Of the true class's images."""


@dataclass(frozen=True)
class LabelReport:
    """What cross-validation says of the labels."""

    images: int
    accuracy: float
    """Out of sample, against the given labels."""
    suspects: tuple[Suspect, ...]
    """Likeliest errors first."""
    classes: tuple[ClassScore, ...]
    """Hardest (lowest F1) first."""
    confusions: tuple[Confusion, ...]
    """Commonest first."""

    def to_json(self) -> dict[str, Any]:
        """Plain values; positions are left to the caller, who knows the names."""
        return {
            "images": self.images,
            "accuracy": self.accuracy,
            "suspects": [vars(suspect) for suspect in self.suspects],
            "classes": [vars(score) for score in self.classes],
            "confusions": [vars(pair) for pair in self.confusions],
        }

    def sure(self, confidence: float = SURE) -> list[Suspect]:
        """The suspects whose suggested class is at least this probable."""
        return [suspect for suspect in self.suspects if suspect.suggested_probability >= confidence]


def judge_labels(probabilities: NDArray[np.float32], labels: NDArray[np.int64], classes: Sequence[str]) -> LabelReport:
    """Find labels that networks which never saw the image disagree with, by confident learning.

    Args:
        probabilities: (N, K) out of sample, rows sum to 1.
        labels: (N,) given class indices; each of the K classes occurs.
        classes: K names.

    Raises:
        DataError: shapes that do not fit, labels out of range, a class without images.
        MissingExtraError: cleanlab is not installed.

    Source: Northcutt, Jiang & Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR 2021
    (cleanlab's `find_label_issues`, pruning by noise rate, ranked by self-confidence).
    """
    check_probabilities(probabilities)
    check_labels(labels, len(probabilities), len(classes))
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(labels, predicted, len(classes))
    if len(empty := np.flatnonzero(confusion.sum(axis=1) == 0)):
        raise DataError(f"every class needs images to judge its labels, {classes[empty[0]]} has none")
    return LabelReport(
        images=len(labels),
        accuracy=float((predicted == labels).mean()),
        suspects=tuple(
            Suspect(
                position=int(row),
                given=classes[labels[row]],
                suggested=classes[predicted[row]],
                given_probability=float(probabilities[row, labels[row]]),
                suggested_probability=float(probabilities[row, predicted[row]]),
            )
            for row in _issues(probabilities, labels)
            if predicted[row] != labels[row]
        ),
        classes=_scores(confusion, classes),
        confusions=_confusions(confusion, classes),
    )


def _issues(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of suspected errors, likeliest first."""
    with needs_extra("train"):
        from cleanlab.filter import find_label_issues
    ranked = find_label_issues(
        labels, probabilities.astype(np.float64), return_indices_ranked_by="self_confidence", n_jobs=1
    )
    return np.asarray(ranked, np.int64)


def _scores(confusion: NDArray[np.int64], classes: Sequence[str]) -> tuple[ClassScore, ...]:
    hits, support, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    scores = [
        ClassScore(
            name=name,
            images=int(support[k]),
            recall=float(hits[k] / support[k]),
            precision=float(hits[k] / max(predicted[k], 1)),
            f1=float(2 * hits[k] / (support[k] + predicted[k])),
        )
        for k, name in enumerate(classes)
    ]
    return tuple(sorted(scores, key=lambda score: score.f1))


def _confusions(confusion: NDArray[np.int64], classes: Sequence[str]) -> tuple[Confusion, ...]:
    off = confusion - np.diag(np.diag(confusion))
    rows, columns = np.nonzero(off)
    order = np.argsort(-off[rows, columns], kind="stable")
    return tuple(
        Confusion(classes[i], classes[j], int(off[i, j]), float(off[i, j] / confusion[i].sum()))
        for i, j in zip(rows[order].tolist(), columns[order].tolist(), strict=True)
    )
