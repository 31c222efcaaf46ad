"""From scores to levels: the urns, bets and tests of all streams, one request at a time or many.

Both ways give the same numbers to the last bit. Many requests share the calls of NumPy; what each must know of those
before it (counts, capital) is handed on from row to row. Where the monitor finds that a request changed what is done
with those that follow, it keeps the rows up to that one, and asks for the rest again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.monitor.streaming.betting import betting_table, cell_of, cells_of, start_share
from eyas.monitor.streaming.calibration import Calibration
from eyas.monitor.streaming.change import CHANGE, ChangeTests, ClassTests, Steps, mean_weights
from eyas.monitor.streaming.conformal import ClassUrns, Urn
from eyas.monitor.streaming.shares import ShareBets, ShareSteps


@dataclass(frozen=True)
class Request:
    """What is compared of one request."""

    predicted: int
    scores: list[float]
    """(S,), in the order of `Calibration.streams`; NaN where the request lacks what it needs."""
    draws: list[float]
    """Uniform on [0, 1): two for each finite score, one for the predicted class."""


@dataclass(frozen=True)
class Ahead:
    """What n requests, one after the other, would say."""

    p_values: list[list[float]]
    """(n, S), NaN where there is no score."""
    levels: NDArray[np.float64]
    """(n, 2, S + 1): A and R, averaged, in units of their bars; the predicted class last."""
    class_levels: NDArray[np.float64]
    """(n,) R of the test of the predicted class, in units of its bar."""
    tests: Steps
    class_tests: Steps
    shares: ShareSteps

    @property
    def valid(self) -> int:
        """How many of them, from the first, are right."""
        return self.shares.valid


class Streams:
    """The state of all streams.

    Args:
        calibration: what to compare with.
        seed: orders equal scores.
        bars: of A and of R; see `ChangeTests`.
    """

    def __init__(self, calibration: Calibration, seed: int, bars: tuple[float, float]) -> None:
        self._table = betting_table()
        self._class_urns, self._urns = _urns(calibration, seed)
        self.shares = ShareBets(np.bincount(calibration.predicted, minlength=calibration.classes))
        count, bets = len(calibration.streams), self._table.shape[1]
        self.tests = ChangeTests([*[mean_weights(bets)] * count, self.shares.weights], bars)
        self.class_tests = ClassTests(calibration.classes, bets, bars[CHANGE])
        self._payments = np.empty(self.tests.bets)
        self._of_scores = self._payments[: count * bets].reshape(count, bets)

    @property
    def bets(self) -> int:
        """Of all streams."""
        return self.tests.bets

    def p_values(self, request: Request, learn: bool) -> list[float]:
        """(S,), NaN where there is no score; `learn`: later scores are compared with these too."""
        drawn = iter(request.draws)
        urns = [self._class_urns.of_class(request.predicted), *self._urns]
        return [
            urn.p_value(score, next(drawn), next(drawn), learn) if isfinite(score) else score
            for urn, score in zip(urns, request.scores, strict=True)
        ]

    def bet(
        self, request: Request, p_values: list[float], number: int, learn: bool
    ) -> tuple[NDArray[np.float64], float]:
        """One request, the number-th.

        Returns:
            (2, S + 1) levels and that of the predicted class alone, as in `Ahead`.
        """
        cells = [cell_of(p) if isfinite(p) else 0 for p in p_values]
        self._table.take(cells, axis=0, out=self._of_scores, mode="clip")
        if not isfinite(fsum(p_values)):
            self._of_scores[~np.isfinite(p_values)] = 1
        self._payments[self._of_scores.size :] = self.shares.pay(request.predicted, request.draws[-1], learn)
        levels = self.tests.update(self._payments, number, start_share(number))
        return levels, self.class_tests.update(request.predicted, self._of_scores[0], number)

    def ahead(self, requests: Sequence[Request], first: int, learn: bool) -> Ahead:
        """What these n requests would say, the first of which is the first-th. `keep` must follow."""
        p_values = [self.p_values(request, learn) for request in requests]
        predicted = np.array([request.predicted for request in requests])
        found = np.array(p_values)
        payments = np.empty((len(requests), self.bets))
        size = self._of_scores.size
        paid = self._table[cells_of(found)]
        paid[np.isnan(found)] = 1
        payments[:, :size] = paid.reshape(len(requests), size)
        last = np.array([request.draws[-1] for request in requests])
        shares = self.shares.ahead(predicted, last, learn, payments[:, size:])
        stakes = [start_share(number) for number in range(first, first + len(requests))]
        tests = self.tests.ahead(payments, stakes)
        class_tests = self.class_tests.ahead(predicted, paid[:, 0])
        return Ahead(p_values, tests.levels, class_tests.levels, tests, class_tests, shares)

    def keep(self, requests: Sequence[Request], ahead: Ahead, count: int, first: int, learn: bool) -> None:
        """Go on after `count` of the n requests; arguments as of `ahead`."""
        if learn:
            for request in requests[count:]:
                self._forget(request)
        predicted = np.array([request.predicted for request in requests[:count]])
        self.shares.keep(ahead.shares, count)
        self.tests.keep(ahead.tests, count, first)
        self.class_tests.keep(ahead.class_tests, predicted, first)

    def _forget(self, request: Request) -> None:
        drawn = iter(request.draws)
        for urn, score in zip([self._class_urns.of_class(request.predicted), *self._urns], request.scores, strict=True):
            if isfinite(score):
                urn.forget(score, next(drawn))
                next(drawn)

    def state(self) -> dict[str, NDArray[Any]]:
        """What `restore` goes on with."""
        arrays = {f"{name}.{key}": array for name, part in self._parts() for key, array in part.state().items()}
        counts = [count for urn in self._every_urn() for count in urn.counts]
        return arrays | {"urns": np.array(counts, np.int64)}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from a kept state of the same calibration and seed."""
        counts = arrays["urns"].tolist()
        for urn in self._every_urn():
            size = len(urn.counts)
            urn.restore(counts[:size])
            counts = counts[size:]
        for name, part in self._parts():
            part.restore({key.partition(".")[2]: array for key, array in arrays.items() if key.startswith(f"{name}.")})

    def _every_urn(self) -> tuple[Urn, ...]:
        return (*self._class_urns.urns, *self._urns)

    def _parts(self) -> tuple[tuple[str, ChangeTests | ClassTests | ShareBets], ...]:
        return ("tests", self.tests), ("class_tests", self.class_tests), ("shares", self.shares)


def _urns(calibration: Calibration, seed: int) -> tuple[ClassUrns, list[Urn]]:
    """By predicted class for the first stream, pooled for the others."""
    rng = np.random.default_rng(seed)
    by_class = ClassUrns(calibration.scores[0], calibration.predicted, calibration.classes, rng)
    return by_class, [Urn(scores[np.isfinite(scores)], rng) for scores in calibration.scores[1:]]
