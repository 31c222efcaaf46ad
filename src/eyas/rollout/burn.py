"""How fast a budget of failures is spent, over a long and a short window at once.

A burn rate of 1 spends exactly the budget: (failures / requests) / budget. Both windows must be above a factor: the
long one says that it matters, the short one that it goes on still. With few requests one failure is a high rate, so
nothing is said below a least number of failures in the long window.

Counts lie in a ring of buckets as wide as the shortest window's tenth: a window may be late by that much. The caller
gives the time, in seconds by any clock that does not run back.

Source: Beyer et al. 2018, *The Site Reliability Workbook*, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import numpy as np

from eyas.core.errors import ConfigError, DataError
from eyas.rollout.plan import BurnWindow, check_windows

PARTS = 10
"""Buckets in the shortest window."""


@dataclass(frozen=True)
class Burn:
    """A pair of windows at one moment."""

    window: BurnWindow
    long_rate: float
    """Budget spent, over what may be spent; 0 without requests."""
    short_rate: float
    failures: int
    """In the long window."""
    requests: int
    """In the long window."""
    tripped: bool
    """Both rates are at the factor or above, and there are failures enough."""


class BurnMeter:
    """Counts of requests and failures, and how fast the budget goes. Of constant size.

    Args:
        budget: share of requests that may fail, in (0, 1].
        windows: to look at; at least one.
        least_failures: in the long window, below which nothing trips.

    Raises:
        ConfigError: a budget out of range, no windows, or windows too different for one ring.
    """

    def __init__(self, budget: float, windows: Sequence[BurnWindow], least_failures: int = 5) -> None:
        if not 0 < budget <= 1:
            raise ConfigError(f"a budget must be greater than 0 and at most 1, got {budget}")
        if not windows:
            raise ConfigError("a burn rate needs at least one pair of windows, got none")
        try:
            self._windows = check_windows(windows)
        except ValueError as error:
            raise ConfigError(f"windows must {error}") from error
        self._budget, self._least = budget, least_failures
        self._width = min(window.short_seconds for window in windows) / PARTS
        size = ceil(max(window.long_seconds for window in windows) / self._width) + 1
        self._counts = np.zeros((size, 2), np.int64)  # requests, failures
        self._latest: int | None = None  # the number of the newest bucket

    def add(self, now: float, requests: int, failures: int) -> None:
        """Count requests that ended about now; those older than the ring are left out.

        Raises:
            DataError: more failures than requests, or a negative number.
        """
        if not 0 <= failures <= requests:
            raise DataError(f"failures must lie in [0, {requests}], the requests, got {failures}")
        bucket = self._turn(now)
        size = len(self._counts)
        if self._latest is not None and bucket > self._latest - size:
            self._counts[bucket % size] += (requests, failures)

    def burns(self, now: float) -> tuple[Burn, ...]:
        """Every pair of windows as it stands."""
        self._turn(now)
        return tuple(self._burn(window) for window in self._windows)

    def tripped(self, now: float) -> tuple[Burn, ...]:
        """Those pairs that are above their factor."""
        return tuple(burn for burn in self.burns(now) if burn.tripped)

    def state(self) -> dict[str, Any]:
        """What `restore` goes on with, as plain JSON; empty buckets are left out."""
        filled = np.flatnonzero(self._counts[:, 0])
        return {
            "width": self._width,
            "size": len(self._counts),
            "latest": self._latest,
            "buckets": [[int(at), *self._counts[at].tolist()] for at in filled],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where another meter of the same windows stood, by the same clock.

        Raises:
            DataError: the state is of other windows.
        """
        own, got = (self._width, len(self._counts)), (state.get("width"), state.get("size"))
        if own != got:
            raise DataError(f"the state must have buckets of {own[0]:g} s, {own[1]} of them, got {got[0]} and {got[1]}")
        self._counts[...] = 0
        for at, requests, failures in state["buckets"]:
            self._counts[at] = (requests, failures)
        self._latest = state["latest"]

    def _turn(self, now: float) -> int:
        """Empty the buckets that come round again; the number of the one of `now`."""
        bucket, size = floor(now / self._width), len(self._counts)
        if self._latest is None or bucket - self._latest >= size:
            self._counts[...] = 0
        elif bucket > self._latest:
            self._counts[np.arange(self._latest + 1, bucket + 1) % size] = 0
        self._latest = bucket if self._latest is None else max(bucket, self._latest)
        return bucket

    def _sum(self, seconds: float) -> tuple[int, int]:
        buckets = min(ceil(seconds / self._width), len(self._counts))
        latest = self._latest or 0
        requests, failures = self._counts[np.arange(latest - buckets + 1, latest + 1) % len(self._counts)].sum(axis=0)
        return int(requests), int(failures)

    def _burn(self, window: BurnWindow) -> Burn:
        (requests, failures), (lately, failed) = self._sum(window.long_seconds), self._sum(window.short_seconds)
        long_rate = failures / requests / self._budget if requests else 0.0
        short_rate = failed / lately / self._budget if lately else 0.0
        # A budget above 1 / factor can never burn so fast: all failing is then the mark.
        mark = min(window.factor, 1 / self._budget) * (1 - 1e-12)
        over = min(long_rate, short_rate) >= mark and failures >= self._least
        return Burn(window, long_rate, short_rate, failures, requests, over)
