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

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What is overwhelming stays finite.
MAX_CAPITAL = 1e6
MAX_CUSUM = 1e12

EVER, CHANGE = 0, 1


class Bets:
    """What a set of bets has won, and since when: one number of each for every bet.

    Args:
        capital: shape of the capital, which may be that of several tests.
        bets: shape of the rest.
    """

    def __init__(self, capital: tuple[int, ...], bets: tuple[int, ...]) -> None:
        self._capital = np.zeros(capital)
        self._cusum = np.ones(bets)
        self._start = np.zeros(bets, np.int64)

    def state(self) -> dict[str, NDArray[Any]]:
        """What `restore` goes on with."""
        return {"capital": self._capital, "cusum": self._cusum, "start": self._start}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from a kept state of the same shapes."""
        self._capital[...] = state["capital"]
        self._cusum[...] = state["cusum"]
        self._start[...] = state["start"]


class ChangeTests(Bets):
    """Both tests on S streams, in units of their bars: a level of 1 is an alarm.

    The bets of all streams lie side by side, as `bets` numbers in all.

    Args:
        weights: for each stream, those of the average over its bets; each sums to 1.
        bars: of A and of R; see `ever_bar` and `change_bar`.
    """

    def __init__(self, weights: Sequence[NDArray[np.float64]], bars: tuple[float, float]) -> None:
        ends = np.cumsum([len(own) for own in weights]).tolist()
        self._of_stream = [slice(end - len(own), end) for end, own in zip(ends, weights, strict=True)]
        self.bets: int = ends[-1]
        self._weights = np.zeros((self.bets, len(weights)))
        for stream, own in enumerate(weights):
            self._weights[self._of_stream[stream], stream] = own
        self._bars = bars
        super().__init__((2, self.bets), (self.bets,))
        self._stakes = np.full((2, 1), 1 / bars[CHANGE])

    def update(self, payments: NDArray[np.float64], request: int, stake: float) -> NDArray[np.float64]:
        """One request on all streams.

        Args:
            payments: (bets,), what each paid.
            request: t, from 1.
            stake: π_t.

        Returns:
            (2, S): A and R, averaged, in units of their bars.
        """
        np.copyto(self._start, request, where=self._cusum <= 1)
        np.maximum(self._cusum, 1, out=self._cusum)
        self._cusum *= payments
        np.minimum(self._cusum, MAX_CUSUM, out=self._cusum)
        self._stakes[EVER] = stake / self._bars[EVER]
        self._capital += self._stakes
        self._capital *= payments
        np.minimum(self._capital, MAX_CAPITAL, out=self._capital)
        levels: NDArray[np.float64] = self._capital @ self._weights
        return levels

    def since(self, stream: int) -> int:
        """The request at which the change is thought to have begun."""
        own = self._of_stream[stream]
        return int(self._start[own][int((self._capital[CHANGE, own] * self._weights[own, stream]).argmax())])

    def restart(self, stream: int) -> None:
        """Look for the next change, as if the stream began now."""
        own = self._of_stream[stream]
        self._capital[CHANGE, own] = 0
        self._cusum[own] = 1


class ClassTests(Bets):
    """Whether single classes just changed: R and C for K classes with E bets each, one class at each request.

    The bounds of R of all classes add up to that of one stream, since their requests do.

    Args:
        classes: K.
        bets: E, of equal weight.
        bar: of R.
    """

    def __init__(self, classes: int, bets: int, bar: float) -> None:
        super().__init__((classes, bets), (classes, bets))
        self._weights = np.full(bets, 1 / bets)
        self._stake = 1 / bar

    def update(self, k: int, payments: NDArray[np.float64], request: int) -> float:
        """One request, predicted as class k, at which the bets paid (E,): R, averaged, in units of its bar."""
        cusum, capital = self._cusum[k], self._capital[k]
        np.copyto(self._start[k], request, where=cusum <= 1)
        np.maximum(cusum, 1, out=cusum)
        cusum *= payments
        np.minimum(cusum, MAX_CUSUM, out=cusum)
        capital += self._stake
        capital *= payments
        np.minimum(capital, MAX_CAPITAL, out=capital)
        return float(capital @ self._weights)

    def since(self, k: int) -> int:
        """The request at which the change of class k is thought to have begun."""
        return int(self._start[k, int(self._capital[k].argmax())])

    def restart(self, k: int) -> None:
        """Look for the next change, as if the class began now."""
        self._capital[k] = 0
        self._cusum[k] = 1


def ever_bar(rate: float, streams: int) -> float:
    """Of A, so that some of S streams ever reaches it with probability at most `rate`."""
    return streams / rate


def change_bar(rate: float, streams: int, horizon: int) -> float:
    """Of R, so that some of S streams reaches it within `horizon` requests with probability at most `rate`."""
    return streams * horizon / rate


def mean_weights(count: int) -> NDArray[np.float64]:
    """(E,) equal weights."""
    return np.full(count, 1 / count)
