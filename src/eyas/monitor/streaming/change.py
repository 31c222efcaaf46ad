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
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What is overwhelming stays finite.
MAX_CAPITAL = 1e6
MAX_CUSUM = 1e12

EVER, CHANGE = 0, 1


@dataclass(frozen=True)
class Steps:
    """What n requests make of the bets, none of which is kept yet."""

    levels: NDArray[np.float64]
    """(n, 2, S) A and R, averaged, in units of their bars; of single classes (n,), R alone."""
    before: NDArray[np.float64]
    """(n, …) C before each request."""
    after: NDArray[np.float64]
    """(n, …) all that was won, after each request."""

    def ascents(self, count: int, first: int) -> NDArray[np.int64]:
        """(count, …) the request where C began to rise anew at it, else 0; the first of them is request `first`."""
        requests = np.arange(first, first + count)[:, None]
        return np.where(self.before[:count] <= 1, requests, 0)


class Bets:
    """What sets of bets have won, and since when: one number of each for every bet.

    All kinds of winnings of a set lie side by side, so that one request is four short calls of NumPy.

    Args:
        sets: shape of the sets; () for one alone.
        kinds: 3: A, R and C; 2: R and C.
        bets: E, in a set.
    """

    def __init__(self, sets: tuple[int, ...], kinds: int, bets: int) -> None:
        self._won = np.zeros((*sets, kinds * bets))
        parts = self._won.reshape(*sets, kinds, bets)
        self._capital = parts[..., :-1, :] if kinds > 2 else parts[..., 0, :]
        self._cusum = parts[..., -1, :]
        self._cusum[...] = 1
        self._start = np.zeros(self._cusum.shape, np.int64)
        self._floors = np.repeat([0.0] * (kinds - 1) + [1.0], bets)
        self._caps = np.repeat([MAX_CAPITAL] * (kinds - 1) + [MAX_CUSUM], bets)

    def state(self) -> dict[str, NDArray[Any]]:
        """What `restore` goes on with."""
        return {"capital": self._capital, "cusum": self._cusum, "start": self._start}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from a kept state of the same shapes."""
        self._capital[...] = state["capital"]
        self._cusum[...] = state["cusum"]
        self._start[...] = state["start"]

    def _step(
        self,
        before: NDArray[np.float64],
        stakes: NDArray[np.float64],
        payments: NDArray[np.float64],
        after: NDArray[np.float64],
    ) -> None:
        """One request of one set, all of shape (kinds · E,); `before` and `after` may be the same array."""
        np.add(before, stakes, out=after)
        np.maximum(after, self._floors, out=after)
        np.multiply(after, payments, out=after)
        np.minimum(after, self._caps, out=after)


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
        super().__init__((), 3, self.bets)
        self._stakes = np.repeat([0.0, 1 / bars[CHANGE], 0.0], self.bets)

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
        self._stakes[: self.bets] = stake / self._bars[EVER]
        self._step(self._won, self._stakes, np.concatenate((payments, payments, payments)), self._won)
        levels: NDArray[np.float64] = self._capital @ self._weights
        return levels

    def ahead(self, payments: NDArray[np.float64], stakes: Sequence[float]) -> Steps:
        """What `update` would make of n requests, one after the other.

        Args:
            payments: (n, bets).
            stakes: (n,) of the same requests.
        """
        count, bets = payments.shape
        won = np.empty((count + 1, 3 * bets))
        won[0] = self._won
        paid = np.tile(payments, 3)
        walk, own = list(won), self._stakes
        for before, stake, pays, after in zip(walk, stakes, paid, walk[1:], strict=False):
            own[:bets] = stake / self._bars[EVER]
            self._step(before, own, pays, after)
        kinds = won.reshape(count + 1, 3, bets)
        return Steps(kinds[1:, :2] @ self._weights, kinds[:-1, -1], won[1:])

    def keep(self, steps: Steps, count: int, first: int) -> None:
        """Go on after `count` of these requests, the first of which is request `first`."""
        np.maximum(self._start, steps.ascents(count, first).max(axis=0), out=self._start)
        self._won[...] = steps.after[count - 1]

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
        super().__init__((classes,), 2, bets)
        self._weights = np.full(bets, 1 / bets)
        self._stakes = np.repeat([1 / bar, 0.0], bets)

    def update(self, k: int, payments: NDArray[np.float64], request: int) -> float:
        """One request, predicted as class k, at which the bets paid (E,): R, averaged, in units of its bar."""
        won = self._won[k]
        np.copyto(self._start[k], request, where=self._cusum[k] <= 1)
        self._step(won, self._stakes, np.concatenate((payments, payments)), won)
        return float(won[: len(payments)] @ self._weights)

    def ahead(self, classes: NDArray[np.int64], payments: NDArray[np.float64]) -> Steps:
        """What `update` would make of n requests, one after the other.

        Args:
            classes: (n,) predicted.
            payments: (n, E).
        """
        count, bets = payments.shape
        after = np.empty((count, 2 * bets))
        walk = []
        last: dict[int, NDArray[np.float64]] = {}
        for k, pays, own in zip(classes.tolist(), np.tile(payments, 2), after, strict=True):
            walk.append(last[k] if k in last else self._won[k])
            self._step(walk[-1], self._stakes, pays, own)
            last[k] = own
        levels = (after[:, None, :bets] @ self._weights[:, None])[:, 0, 0]
        return Steps(levels, np.array(walk)[:, bets:], after)

    def keep(self, steps: Steps, classes: NDArray[np.int64], first: int) -> None:
        """Go on after the first (m,) of these requests, predicted as `classes`; the first is request `first`."""
        np.maximum.at(self._start, classes, steps.ascents(len(classes), first))
        self._won[classes] = steps.after[: len(classes)]  # of a class that comes again, the last

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
