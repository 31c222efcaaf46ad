"""Whether what is stated of a model is so: validation images under it, and under what else is usual.

A wrong range, channels turned round or classes in another order make no error, only wrong answers. Each reading of the
bytes is tried in the stated order of the classes, and in the order that explains its answers best. That order is found
on one half of the images and scored on the other, both ways, so that it cannot flatter itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from eyas.evaluate.mcnemar import worse
from eyas.foreign.preprocessing import Reading

ALPHA = 0.01  # over all that is tried together
LEAST_GAIN = 0.01  # of accuracy: what is less is not worth a refusal
STATED_BONUS = 0.5  # of an image: where nothing speaks for another place, a class stays where it is stated

Answers = Callable[[Reading], NDArray[np.float32]]
"""The model's (N, K) numbers for the images under a reading."""


@dataclass(frozen=True)
class Tried:
    """The images under one reading and order."""

    reading: Reading
    reordered: bool
    """Whether the order of the classes was found, not stated."""
    right: NDArray[np.bool_]
    """(N,)"""
    order: NDArray[np.int64]
    """(K,) which of the model's outputs is each class."""

    @property
    def accuracy(self) -> float:
        """Share of images right."""
        return float(self.right.mean())


@dataclass(frozen=True)
class Check:
    """What came of it."""

    images: int
    chance: float
    """Share of the commonest class."""
    classes: tuple[str, ...]
    stated: Tried | None
    """None where no scaling is stated."""
    others: tuple[Tried, ...]
    """The best first."""

    @property
    def better(self) -> Tried | None:
        """What is clearly better than what is stated: by `LEAST_GAIN` or more, and by an exact paired test."""
        if self.stated is None or not self.others:
            return None
        best = self.others[0]
        lost, gained = int((self.stated.right & ~best.right).sum()), int((best.right & ~self.stated.right).sum())
        clear = worse(gained, lost) < ALPHA / len(self.others) and gained - lost >= LEAST_GAIN * self.images
        return best if clear else None

    @property
    def blind(self) -> bool:
        """Whether what is stated is no better than always the commonest class, by twice the error of that."""
        error = (self.chance * (1 - self.chance) / self.images) ** 0.5
        return self.stated is not None and self.stated.accuracy <= self.chance + 2 * error

    def in_words(self) -> list[str]:
        """Sentences without full stops."""
        said = [f"{tried.accuracy:.1%} by {self._options(tried)}" for tried in self.others[:3]]
        if self.stated is None:
            return [f"Of {self.images:,} validation images are right: {'; '.join(said)}"]
        checked = f"Checked on {self.images:,} validation images: {self.stated.accuracy:.1%} right as stated"
        return [f"{checked}, {said[0]}" if said else checked]

    def verdict(self) -> str | None:
        """What speaks against what is stated, and the options to use; None where nothing does."""
        if self.stated is None:
            return None
        right = f"the model is right on {self.stated.accuracy:.1%} of {self.images:,} validation images"
        if best := self.better:
            return (
                f"{right} as stated ({self.stated.reading.options}), and clearly on more, {best.accuracy:.1%}, with "
                f"{self._options(best)}"
            )
        if self.blind:
            return (
                f"{right}, no more than by chance, and as far as these tell, no usual range, order of channels or of "
                "classes does better: they may show other things than it was taught"
            )
        return None

    def found_order(self) -> tuple[str, ...] | None:
        """The classes in the order of the model's outputs, where another than the stated one is clearly better."""
        best = self.better
        if best is None or not best.reordered:
            return None
        return tuple(self.classes[k] for k in np.argsort(best.order))

    def _options(self, tried: Tried) -> str:
        return f"{tried.reading.options}{' and the classes in another order' if tried.reordered else ''}"


def check_readings(
    ask: Answers,
    stated: Reading | None,
    others: Sequence[Reading],
    order: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
) -> Check:
    """Try all readings.

    Args:
        order: (K,) which of the model's outputs is each class, as stated.
        labels: (N,) class indices of the images, N ≥ 1.
    """
    first = _try(ask, stated, order, labels) if stated else []
    rest = [tried for reading in others for tried in _try(ask, reading, order, labels)]
    ranked = sorted((*first[1:], *rest), key=lambda tried: (-tried.accuracy, tried.reordered))
    chance = float(np.bincount(labels).max()) / len(labels)
    return Check(len(labels), chance, classes, first[0] if first else None, tuple(ranked))


def _try(ask: Answers, reading: Reading, order: NDArray[np.int64], labels: NDArray[np.int64]) -> list[Tried]:
    """In the stated order, and in the one found where that is another."""
    chosen: NDArray[np.int64] = ask(reading).argmax(axis=1)
    tried = [Tried(reading, False, order[labels] == chosen, order)]
    found = _find_order(chosen, labels, order)
    if not (found == order).all():
        right = np.empty(len(labels), np.bool_)
        half = np.arange(len(labels)) % 2 == 0
        for own in (half, ~half):
            right[~own] = _find_order(chosen[own], labels[own], order)[labels[~own]] == chosen[~own]
        tried.append(Tried(reading, True, right, found))
    return tried


def _find_order(chosen: NDArray[np.int64], labels: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """(K,) the output for each class with which most images are right (Kuhn 1955)."""
    counts = np.zeros((len(order), len(order)))
    np.add.at(counts, (labels, chosen), 1)
    counts[np.arange(len(order)), order] += STATED_BONUS
    found: NDArray[np.int64] = linear_sum_assignment(counts, maximize=True)[1].astype(np.int64)
    return found
