"""Has it ever drifted, did it just change, and since when: one pass over bets, constant memory.

With g_t(e) what bet e paid at request t, each stream keeps for each bet

    A_t = (A_{t-1} + π_t) g_t           the capital of those who started at any time, π_t at time t
    R_t = (R_{t-1} + 1) g_t             Shiryaev–Roberts: the same, everyone with 1
    C_t = max(C_{t-1}, 1) g_t           CUSUM: the best start alone (Page 1954)

and averages A and R over bets. While nothing changes:

- mean A plus the stakes not yet laid is a martingale that starts at 1, so by Ville's inequality it ever reaches 1/α
  with probability at most α. Mixing over starts does what jumping does in Vovk et al. 2021, at a known price.
- E R_t = t, and R is a submartingale, so by Doob's inequality R reaches c within T requests with probability at most
  T/c, and the mean time to a false alarm is at least c (Roberts 1966; Pollak & Siegmund 1985; for conformal p-values
  Vovk et al. 2021, section 4).

The start of the last ascent of C, that of the bet with the largest R, estimates the time of the change.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Sums stay finite, and what was overwhelming is forgotten in bounded time once it ends.
MAX_CAPITAL = 1e6
MAX_CUSUM = 1e4
OVER = 10.0
"""A change is over when no bet's CUSUM is above this."""

EVER, CHANGE = 0, 1


class ChangeTests:
    """Both tests on S streams with E bets each, in units of their bars: a level of 1 is an alarm.

    Args:
        streams: S.
        weights: (E,) of the average over bets, sum 1.
        bars: of A and of R; see `ever_bar` and `change_bar`.
    """

    def __init__(self, streams: int, weights: NDArray[np.float64], bars: tuple[float, float]) -> None:
        shape = (streams, len(weights))
        self._weights = weights
        self._bars = bars
        self.capital = np.zeros((2, *shape))
        """A and R, each divided by its bar."""
        self.cusum = np.ones(shape)
        self.start = np.zeros(shape, np.int64)
        self._stakes = np.full((2, 1, 1), 1 / bars[CHANGE])

    def update(self, payments: NDArray[np.float64], request: int, stake: float) -> NDArray[np.float64]:
        """One request on all streams.

        Args:
            payments: (S, E), what each bet paid.
            request: t, from 1.
            stake: π_t.

        Returns:
            (2, S): A and R, averaged, in units of their bars.
        """
        np.copyto(self.start, request, where=self.cusum <= 1)
        np.maximum(self.cusum, 1, out=self.cusum)
        self.cusum *= payments
        np.minimum(self.cusum, MAX_CUSUM, out=self.cusum)
        self._stakes[EVER] = stake / self._bars[EVER]
        self.capital += self._stakes
        self.capital *= payments
        np.minimum(self.capital, MAX_CAPITAL, out=self.capital)
        levels: NDArray[np.float64] = self.capital @ self._weights
        return levels

    def update_one(self, stream: int, payments: NDArray[np.float64], request: int) -> float:
        """One request on one stream, without A: R, averaged, in units of its bar."""
        cusum, start, capital = self.cusum[stream], self.start[stream], self.capital[CHANGE, stream]
        np.copyto(start, request, where=cusum <= 1)
        np.maximum(cusum, 1, out=cusum)
        cusum *= payments
        np.minimum(cusum, MAX_CUSUM, out=cusum)
        capital += 1 / self._bars[CHANGE]
        capital *= payments
        np.minimum(capital, MAX_CAPITAL, out=capital)
        return float(capital @ self._weights)

    def since(self, stream: int) -> int:
        """The request at which the change is thought to have begun."""
        return int(self.start[stream, int((self.capital[CHANGE, stream] * self._weights).argmax())])

    def is_over(self, stream: int) -> bool:
        """Whether nothing is left of a change."""
        return bool(self.cusum[stream].max() < OVER)

    def restart(self, stream: int) -> None:
        """Look for the next change, as if the stream began now."""
        self.capital[CHANGE, stream] = 0
        self.cusum[stream] = 1

    def state(self) -> dict[str, NDArray[Any]]:
        """What `restore` goes on with."""
        return {"capital": self.capital, "cusum": self.cusum, "start": self.start}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from a kept state of the same shape."""
        self.capital[...] = state["capital"]
        self.cusum[...] = state["cusum"]
        self.start[...] = state["start"]


def ever_bar(rate: float, streams: int) -> float:
    """Of A, so that some of S streams ever reaches it with probability at most `rate`."""
    return streams / rate


def change_bar(rate: float, streams: int, horizon: int) -> float:
    """Of R, so that some of S streams reaches it within `horizon` requests with probability at most `rate`."""
    return streams * horizon / rate


def mean_weights(count: int) -> NDArray[np.float64]:
    """(E,) equal weights."""
    return np.full(count, 1 / count)
