"""Bets on the predicted class: which classes come more often, which less.

The predicted classes are laid side by side on [0, 1], each as wide as its share so far, and a prediction's smoothed
conformal p lies somewhere within its class: p is uniform again, and a bet on classes is a betting function that is
constant over each class's stretch. With s the shares before the request and q those that a bet believes in, it pays
q_k / s_k where p lies in class k. Bets:

- one class falls to a share g of what it had, for each class and g;
- one class takes ρ of all requests, for each class and ρ;
- q is what was seen lately, in a window that forgets, drawn towards s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FALLS = np.array((0.05, 0.5))
TAKES = np.array((0.05, 0.3))
HALF_LIFE = 200.0
"""Requests after which one counts half in the window."""
PULL = 50.0
"""Requests that s counts as, in the window."""
RECENT_WEIGHT = 0.5
LOSSES = 1 - FALLS[:, None]
REST_OF_TAKES = 1 - TAKES
# Counts grow instead of fading, and are scaled back before they overflow.
GROWTH = 2 ** (1 / HALF_LIFE)
RESCALE = 1e100


@dataclass(frozen=True)
class ShareSteps:
    """What n predictions make of the counts, none of which is kept yet."""

    counts: NDArray[np.float64]
    """(n + 1, K), the first row before all of them; so below."""
    recent: NDArray[np.float64]
    """(n + 1, K)"""
    recent_totals: NDArray[np.float64]
    units: NDArray[np.float64]

    @property
    def valid(self) -> int:
        """Predictions up to the one after which the counts are scaled back: the payments of later ones are not."""
        over = self.units[1:] > RESCALE
        return int(over.argmax()) + 1 if over.any() else len(over)


class ShareBets:
    """What the bets pay, one prediction after another.

    Args:
        counts: (K,) held-out images by predicted class.
    """

    def __init__(self, counts: NDArray[np.int64]) -> None:
        self.counts = counts.astype(np.float64)
        self._total = float(counts.sum())
        self.recent = np.zeros(len(counts))
        self._unit, self._recent_total = 1.0, 0.0
        self._odds = np.empty(len(counts))
        self._payments = np.empty(4 * len(counts) + 1)
        self._by_class = self._payments[:-1].reshape(4, len(counts))
        self._by_class[len(FALLS) :] = REST_OF_TAKES[:, None]
        self._changed_column = 0

    @property
    def weights(self) -> NDArray[np.float64]:
        """(4K + 1,) of the average over bets: half for the window, the rest shared."""
        others = len(self._payments) - 1
        return np.append(np.full(others, (1 - RECENT_WEIGHT) / others), RECENT_WEIGHT)

    def pay(self, predicted: int, u: float, learn: bool = True) -> NDArray[np.float64]:
        """(4K + 1,) payments at one prediction; the array is used again at the next.

        Args:
            predicted: class index.
            u: uniform on [0, 1).
            learn: count the prediction among those that make up s.
        """
        total, by_class = self._total, self._by_class
        k = self._stretch(predicted, u)
        count = max(float(self.counts[k]), 1.0)
        by_class[len(FALLS) :, self._changed_column] = REST_OF_TAKES
        np.subtract(total, self.counts, out=self._odds)
        np.maximum(self._odds, 0.5, out=self._odds)
        np.divide(self.counts, self._odds, out=self._odds)
        np.multiply(LOSSES, self._odds, out=by_class[: len(FALLS)])
        by_class[: len(FALLS)] += 1
        by_class[: len(FALLS), k] = FALLS
        by_class[len(FALLS) :, k] = REST_OF_TAKES + TAKES * total / count
        self._changed_column = k
        window = self._recent_total / self._unit
        seen = float(self.recent[k]) / self._unit * total / count
        self._payments[-1] = (seen + PULL) / (window + PULL)
        self._remember(predicted)
        if learn:
            self.counts[predicted] += 1
            self._total += 1
        return self._payments

    def ahead(
        self, predicted: NDArray[np.int64], u: NDArray[np.float64], learn: bool, out: NDArray[np.float64]
    ) -> ShareSteps:
        """What `pay` would give for n predictions, one after the other.

        Args:
            predicted: (n,) class indices.
            u: (n,) uniform on [0, 1).
            learn: as of `pay`.
            out: (n, 4K + 1), for the payments.
        """
        steps = self._steps(predicted, learn)
        rows = np.arange(len(predicted))
        counts, totals = steps.counts[:-1], np.add(self._total, rows if learn else 0 * rows, dtype=np.float64)
        k = _stretches(predicted, u, counts, totals)
        count = np.maximum(counts[rows, k], 1)
        by_class = out[:, :-1].reshape(len(rows), 4, -1)
        odds = counts / np.maximum(totals[:, None] - counts, 0.5)
        np.multiply(LOSSES, odds[:, None], out=by_class[:, : len(FALLS)])
        by_class[:, : len(FALLS)] += 1
        by_class[:, len(FALLS) :] = REST_OF_TAKES[:, None]
        by_class[rows, : len(FALLS), k] = FALLS
        by_class[rows, len(FALLS) :, k] = REST_OF_TAKES + TAKES * totals[:, None] / count[:, None]
        units = steps.units[:-1]
        seen = steps.recent[rows, k] / units * totals / count
        out[:, -1] = (seen + PULL) / (steps.recent_totals[:-1] / units + PULL)
        return steps

    def keep(self, steps: ShareSteps, count: int) -> None:
        """Go on after `count` of these predictions."""
        self._total += float(steps.counts[count].sum() - self.counts.sum())
        self.counts[...], self.recent[...] = steps.counts[count], steps.recent[count]
        self._unit, self._recent_total = float(steps.units[count]), float(steps.recent_totals[count])
        self._scale_back()

    def _steps(self, predicted: NDArray[np.int64], learn: bool) -> ShareSteps:
        """The sums, added up in the order of `pay`."""
        units = np.full(len(predicted) + 1, GROWTH)
        units[0] = self._unit
        np.multiply.accumulate(units, out=units)
        rows = np.arange(1, len(units))
        recent = np.zeros((len(units), len(self.counts)))
        recent[0], recent[rows, predicted] = self.recent, units[1:]
        counts = np.zeros_like(recent)
        counts[0], counts[rows, predicted] = self.counts, float(learn)
        totals = units.copy()
        totals[0] = self._recent_total
        add = np.add.accumulate
        return ShareSteps(add(counts, axis=0), add(recent, axis=0), add(totals), units)

    def _stretch(self, predicted: int, u: float) -> int:
        """The class in whose stretch p lies: the predicted one, but for what this request adds to its width."""
        before, own = float(self.counts[:predicted].sum()), float(self.counts[predicted])
        at = (before + u * (own + 1)) / (self._total + 1) * self._total
        if before <= at < before + own:
            return predicted
        return min(int(np.searchsorted(np.cumsum(self.counts), at, side="right")), len(self.counts) - 1)

    def _remember(self, predicted: int) -> None:
        self._unit *= GROWTH
        self.recent[predicted] += self._unit
        self._recent_total += self._unit
        self._scale_back()

    def _scale_back(self) -> None:
        if self._unit > RESCALE:
            self.recent /= self._unit
            self._recent_total /= self._unit
            self._unit = 1.0

    def state(self) -> dict[str, NDArray[Any]]:
        """What `restore` goes on with."""
        return {"counts": self.counts, "recent": self.recent / self._unit}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from a kept state of as many classes."""
        self.counts[...], self.recent[...] = state["counts"], state["recent"]
        self._total = float(self.counts.sum())
        self._unit, self._recent_total = 1.0, float(self.recent.sum())


def _stretches(
    predicted: NDArray[np.int64], u: NDArray[np.float64], counts: NDArray[np.float64], totals: NDArray[np.float64]
) -> NDArray[np.int64]:
    """`ShareBets._stretch` of n predictions, before each of which the counts were (n, K), with (n,) totals."""
    ends = counts.cumsum(axis=1)
    rows = np.arange(len(predicted))
    own = counts[rows, predicted]
    before = ends[rows, predicted] - own
    at = (before + u * (own + 1)) / (totals + 1) * totals
    outside = np.flatnonzero((at < before) | (at >= before + own))
    found = predicted.copy()
    for row in outside.tolist():
        found[row] = min(int(np.searchsorted(ends[row], at[row], side="right")), counts.shape[1] - 1)
    return found
