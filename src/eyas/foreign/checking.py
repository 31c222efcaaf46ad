"""Whether what is stated of a model is so: validation images under it, and under what else is usual.

A wrong range, channels turned round or classes in another order make no error, only wrong answers. Each reading of the
bytes is tried in the stated order of the classes, and in the order that explains its answers best. That order is found
on one half of each class's images and scored on the other, both ways, so that it cannot flatter itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from eyas.evaluate.chance import is_blind
from eyas.evaluate.mcnemar import clearly_better
from eyas.foreign.preprocessing import Reading

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
    blind: bool
    """Whether no sign is seen that the answers follow the images; False where the order was found."""

    @property
    def accuracy(self) -> float:
        """Share of images right."""
        return float(self.right.mean())


@dataclass(frozen=True)
class Check:
    """What came of it."""

    images: int
    classes: tuple[str, ...]
    stated: Tried | None
    """None where no scaling is stated."""
    others: tuple[Tried, ...]
    """The best first."""
    orders: bool = True
    """Whether other orders of the classes were tried."""

    @property
    def better(self) -> Tried | None:
        """What is clearly better than what is stated."""
        if self.stated is None or not self.others:
            return None
        best = self.others[0]
        return best if clearly_better(self.stated.right, best.right, len(self.others)) else None

    def in_words(self) -> list[str]:
        """Sentences without full stops."""
        said = [f"{tried.accuracy:.1%} by {self._options(tried)}" for tried in self.others[:3]]
        if self.stated is None:
            return [f"Of {self.images:,} validation images are right: {'; '.join(said)}"]
        checked = f"Checked on {self.images:,} validation images: {self.stated.accuracy:.1%} right as stated"
        untried = f"Other orders of {len(self.classes):,} classes were not tried; look at --classes where in doubt"
        return [f"{checked}, {said[0]}" if said else checked, *(() if self.orders else (untried,))]

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
        if self.stated.blind:
            tried = ", order of channels or of classes" if self.orders else " or order of channels"
            doubt = "" if self.orders else ", or the classes may be in another order (--classes), which was not tried"
            return (
                f"{right}, no more than by chance, and as far as these tell, no usual range{tried} does better: they "
                f"may show other things than it was taught{doubt}"
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
    *,
    orders: bool = True,
) -> Check:
    """Try all readings.

    Args:
        order: (K,) which of the model's outputs is each class, as stated.
        labels: (N,) class indices of the images, N ≥ 1.
        orders: try the classes in other orders too; for that some images of each are needed.
    """
    first = _try(ask, stated, order, labels, orders) if stated else []
    rest = [tried for reading in others for tried in _try(ask, reading, order, labels, orders)]
    ranked = sorted((*first[1:], *rest), key=lambda tried: (-tried.accuracy, tried.reordered))
    return Check(len(labels), classes, first[0] if first else None, tuple(ranked), orders)


def _try(
    ask: Answers, reading: Reading, order: NDArray[np.int64], labels: NDArray[np.int64], orders: bool
) -> list[Tried]:
    """In the stated order, and in the one found where that is another."""
    chosen: NDArray[np.int64] = ask(reading).argmax(axis=1)
    blind = is_blind(labels, np.argsort(order)[chosen], len(order))
    tried = [Tried(reading, False, order[labels] == chosen, order, blind)]
    found = _find_order(chosen, labels, order) if orders else order
    if not (found == order).all():
        right = np.empty(len(labels), np.bool_)
        half = _half(labels)
        for own in (half, ~half):
            right[~own] = _find_order(chosen[own], labels[own], order)[labels[~own]] == chosen[~own]
        tried.append(Tried(reading, True, right, found, False))
    return tried


def _half(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N,) every other image of each class."""
    by_class = np.argsort(labels, kind="stable")
    ordered = labels[by_class]
    half = np.empty(len(labels), np.bool_)
    half[by_class] = (np.arange(len(labels)) - np.searchsorted(ordered, ordered)) % 2 == 0
    return half


def _find_order(chosen: NDArray[np.int64], labels: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """(K,) the output for each class with which most images are right (Kuhn 1955)."""
    counts = np.zeros((len(order), len(order)))
    np.add.at(counts, (labels, chosen), 1)
    counts[np.arange(len(order)), order] += STATED_BONUS
    found: NDArray[np.int64] = linear_sum_assignment(counts, maximize=True)[1].astype(np.int64)
    return found
