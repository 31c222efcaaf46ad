"""A mean, by bets against each value that it might have.

Whoever thinks that the mean of x in [0, 1] is at most m should not mind a bet that pays

    1 + c (x - m) / m,    0 ≤ c < 1

for 1, since it is worth at most 1 on average. The product over x_1 … x_n, averaged over bets c, is capital that starts
at 1 and, where the mean is at most m, ever reaches 1/α with probability at most α (Ville 1939). The lower bound is the
largest m against which it did. The payment falls with m, so that all smaller m are refuted with it; the upper bound is
the same of 1 - x.

A fixed bet's capital depends on how often each value came, not on the order: counts are all that is kept, batches may
be of any size, and late labels may come in any order. For 0 and 1, and for -1, 0 and 1 (moved to 0, 1/2, 1), this is
exact. Of another x we take the weighted geometric mean of what 1 and 0 would have paid, x of the one and 1 - x of the
other: never more than the payment itself, so that the bound holds, though not more narrowly for a small variance.

Averaging over bets spaced by factors of two costs what a bet tuned to the unknown mean and number would have won.

Source: Waudby-Smith & Ramdas 2024, *Estimating means of bounded random variables by betting*, sections 4 and 5.
"""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eyas.core.errors import DataError
from eyas.evaluate.bootstrap import Interval
from eyas.monitor.sequences.nested import ConfidenceSequence

BETS = np.array([0.9, 0.7, *(0.5 / 2.0**k for k in range(13))])
LOG_WEIGHTS = np.log(np.full(len(BETS), 1 / len(BETS)))
CELLS, ROUNDS = 64, 3  # each round of the search for a bound looks at this many values; 64⁻³ = 4e-6
TINY = 1e-9  # no mean below it is refuted


class _Bets(ConfidenceSequence):
    """Of a mean in [0, 1], from how often 0, 1/2 and 1 came."""

    def __init__(self, alpha: float, whole: Interval) -> None:
        super().__init__(alpha, whole)
        self._counts = np.zeros(3)

    @property
    def count(self) -> int:
        """Observations so far."""
        return round(float(self._counts.sum()))

    def _bounds(self, level: float) -> Interval:
        return Interval(_lower(self._counts, level), 1 - _lower(self._counts[::-1], level))


class MeanSequence(_Bets):
    """The mean of values in [0, 1], such as an accuracy while labels come in.

    Args:
        alpha: α in (0, 1).
    """

    def __init__(self, alpha: float = 0.05) -> None:
        super().__init__(alpha, Interval(0.0, 1.0))

    @property
    def mean(self) -> float:
        """Of what was seen; NaN before anything was."""
        return float(self._counts[2] / self._counts.sum()) if self.count else float("nan")

    def update(self, total: float, count: int) -> None:
        """Add observations by their sum.

        Args:
            total: Σ x, in [0, count].
            count: how many.

        Raises:
            DataError: a sum that so many values in [0, 1] cannot have.
        """
        if not 0 <= total <= count:
            raise DataError(f"the sum of {count} values in [0, 1] must lie in [0, {count}], got {total}")
        self._counts += (count - total, 0, total)
        self._narrow()

    def observe(self, values: ArrayLike) -> None:
        """Add observations one by one; `values`: (n,) in [0, 1].

        Raises:
            DataError: a value outside.
        """
        array = np.asarray(values, np.float64).ravel()
        if len(array) and not (array.min() >= 0 and array.max() <= 1):  # NaN is refused as well
            raise DataError(f"values must lie in [0, 1], got {array.min():g} to {array.max():g}")
        self.update(min(float(array.sum()), len(array)), len(array))


class PairedSequence(_Bets):
    """The mean of d in {-1, 0, 1}: what one model gets wrong and the other right, on the same images.

    Args:
        alpha: α in (0, 1).
    """

    def __init__(self, alpha: float = 0.05) -> None:
        super().__init__(alpha, Interval(-1.0, 1.0))

    @property
    def mean(self) -> float:
        """Of what was seen; NaN before anything was."""
        return float((self._counts[2] - self._counts[0]) / self._counts.sum()) if self.count else float("nan")

    def update(self, minus: int, zero: int, plus: int) -> None:
        """Add how often -1, 0 and 1 came.

        Raises:
            DataError: a negative count.
        """
        if min(minus, zero, plus) < 0:
            raise DataError(f"counts must be at least 0, got {minus}, {zero} and {plus}")
        self._counts += (minus, zero, plus)
        self._narrow()

    def observe(self, values: ArrayLike) -> None:
        """Add observations one by one; `values`: (n,) of -1, 0 and 1.

        Raises:
            DataError: another value.
        """
        array = np.asarray(values).ravel()
        counts = [int((array == value).sum()) for value in (-1, 0, 1)]
        if sum(counts) != len(array):
            raise DataError(f"values must be -1, 0 or 1, got {array[~np.isin(array, (-1, 0, 1))][0]}")
        self.update(*counts)

    def _bounds(self, level: float) -> Interval:
        low, high = super()._bounds(level)
        return Interval(2 * low - 1, 2 * high - 1)


def log_capital(counts: NDArray[np.float64], means: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln of what was won against a mean of at most m, for each m; it falls with m.

    Args:
        counts: (3,) of 0, 1/2 and 1.
        means: (M,) in (0, 1].
    """
    gain = BETS / means[:, None]
    won = counts[0] * np.log1p(-BETS) + counts[1] * np.log1p(gain / 2 - BETS) + counts[2] * np.log1p(gain - BETS)
    return log_mean(won + LOG_WEIGHTS)


def log_mean(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln Σ exp over the last axis."""
    largest = logs.max(axis=-1)
    total: NDArray[np.float64] = largest + np.log(np.exp(logs - largest[..., None]).sum(axis=-1))
    return total


def _lower(counts: NDArray[np.float64], level: float) -> float:
    """The largest m that is refuted, from below; nothing above the mean ever is."""
    total = counts.sum()
    low, high = 0.0, float((counts[1] / 2 + counts[2]) / total) if total else 0.0
    if high < TINY:
        return 0.0
    for _ in range(ROUNDS):
        points = np.linspace(low, high, CELLS + 1)[1:]
        refuted = int((log_capital(counts, points) >= log(1 / level)).sum())
        low, high = (float(points[refuted - 1]) if refuted else low), float(points[min(refuted, CELLS - 1)])
    return low
