"""What all confidence sequences share: intervals that only ever narrow.

An interval at time t of a sequence at level α holds the truth at all t together with probability at least 1 - α. So do
the intersections of all intervals so far, which are never wider.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from eyas.core.errors import DataError
from eyas.evaluate.bootstrap import Interval

BOTH, SINGLE = "both", "single"


class ConfidenceSequence(ABC):
    """An interval that may be looked at whenever one likes.

    Args:
        alpha: α in (0, 1), the chance that the interval ever misses the truth.
        whole: what can be at all; the interval before anything was seen.

    Raises:
        DataError: α out of range.
    """

    def __init__(self, alpha: float, whole: Interval) -> None:
        self.alpha, self._whole = check_alpha(alpha), whole
        self._kept = {BOTH: whole, SINGLE: whole}
        self.steady = True
        """False once an interval no longer met the one before: the stream has changed since (or, with probability at
        most α, chance was against it). From there on the intersection is that of later intervals alone."""

    def interval(self) -> Interval:
        """Two-sided at α: both ends hold together, at all times, with probability at least 1 - α."""
        return self._kept[BOTH]

    def bounds(self) -> Interval:
        """Two one-sided bounds, each at α: for a question in one direction, and a second one in the other."""
        return self._kept[SINGLE]

    @abstractmethod
    def _bounds(self, level: float) -> Interval:
        """What is known now: each end fails, ever, with probability at most `level`."""

    def _narrow(self) -> None:
        for name, level in ((BOTH, self.alpha / 2), (SINGLE, self.alpha)):
            now, kept = self._bounds(level), self._kept[name]
            both = Interval(max(now.low, kept.low), min(now.high, kept.high))
            self.steady &= both.low <= both.high
            self._kept[name] = both if both.low <= both.high else now


def check_alpha(alpha: float) -> float:
    """Refuse a level outside (0, 1)."""
    if not 0 < alpha < 1:
        raise DataError(f"alpha must be greater than 0 and less than 1, got {alpha}")
    return alpha
