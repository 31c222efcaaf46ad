"""Connections are spread evenly over the workers: which of them takes a new one is chance, and clients keep them long.

Without this, a worker that was started again would stand idle for as long as the clients of the others stay.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from multiprocessing.sharedctypes import RawArray
from typing import cast

AWAY = -1


class Balance:
    """How many connections each worker has, in memory that all share; made before they are forked.

    Args:
        count: of workers.
    """

    def __init__(self, count: int) -> None:
        self._open = cast("MutableSequence[int]", RawArray("i", [AWAY] * count))

    def arrive(self, slot: int) -> Share:
        """A worker begins to listen."""
        self._open[slot] = 0
        return Share(self._open, slot)

    def leave(self, slot: int) -> None:
        """A worker has ended."""
        self._open[slot] = AWAY


class Share:
    """One worker's."""

    def __init__(self, counts: MutableSequence[int], slot: int) -> None:
        self._counts, self._slot = counts, slot

    def opened(self) -> None:
        """It has one connection more."""
        self._counts[self._slot] += 1

    def closed(self) -> None:
        """It has one connection less."""
        self._counts[self._slot] -= 1

    def crowded(self) -> bool:
        """Whether it has more than its share, and is to let one of its clients go to another."""
        here = [count for count in self._counts if count >= 0]
        return self._counts[self._slot] > sum(here) / len(here) + 1
