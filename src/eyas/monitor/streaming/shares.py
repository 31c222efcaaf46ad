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

from typing import Any

import numpy as np
from numpy.typing import NDArray

FALLS = (0.05, 0.5)
TAKES = (0.05, 0.3)
HALF_LIFE = 200.0
"""Requests after which one counts half in the window."""
PULL = 50.0
"""Requests that s counts as, in the window."""
RECENT_WEIGHT = 0.5
LOSSES = 1 - np.array(FALLS)[:, None]
REST_OF_TAKES = 1 - np.array(TAKES)
# Counts grow instead of fading, and are scaled back before they overflow.
RESCALE = 1e100


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
        self._by_class[len(FALLS) :] = 1 - np.array(TAKES)[:, None]
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
        by_class[:, k] = (*FALLS, *(1 - take + take * total / count for take in TAKES))
        self._changed_column = k
        window = self._recent_total / self._unit
        seen = float(self.recent[k]) / self._unit * total / count
        self._payments[-1] = (seen + PULL) / (window + PULL)
        self._remember(predicted)
        if learn:
            self.counts[predicted] += 1
            self._total += 1
        return self._payments

    def recent_shares(self) -> NDArray[np.float64]:
        """(K,) shares of the predicted classes in the window; 0 everywhere before the first request."""
        return self.recent / max(self._recent_total, 1.0)

    def _stretch(self, predicted: int, u: float) -> int:
        """The class in whose stretch p lies: the predicted one, but for what this request adds to its width."""
        before, own = float(self.counts[:predicted].sum()), float(self.counts[predicted])
        at = (before + u * (own + 1)) / (self._total + 1) * self._total
        if before <= at < before + own:
            return predicted
        return min(int(np.searchsorted(np.cumsum(self.counts), at, side="right")), len(self.counts) - 1)

    def _remember(self, predicted: int) -> None:
        self._unit *= 2 ** (1 / HALF_LIFE)
        self.recent[predicted] += self._unit
        self._recent_total += self._unit
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
