"""Numbers in memory that the workers share, so that any of them can tell all, and none is lost with a worker.

Each process has a table of its own: nobody else writes to it, so nothing is locked. A worker that takes a dead one's
place goes on with its table, so that sums never fall. A row is a name with its labels, and up to `WIDTH` numbers.

    table = rows × [ length of the key: 8 bytes | key: KEY bytes | WIDTH float64 ]

A reader may see a sum a moment before the count that belongs to it, as with any metrics that are read while they grow.
"""

from __future__ import annotations

import json
import mmap
from collections import defaultdict
from collections.abc import Iterator
from typing import TypeAlias

ROWS = 1024
KEY = 248
WIDTH = 20
ROW = 8 + KEY + 8 * WIDTH

Numbers: TypeAlias = "memoryview[float]"
Series = tuple[str, ...]
"""The name of a family, then the values of its labels."""


class Tables:
    """The tables of `count` processes, in one anonymous map: made before they are forked."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._map = mmap.mmap(-1, count * ROWS * ROW)
        self._view = memoryview(self._map)

    def counts(self, slot: int) -> Counts:
        """The table of one process, with what it holds already."""
        return Counts(self._table(slot))

    def total(self) -> dict[Series, list[float]]:
        """The numbers of each series, added up over all tables."""
        found: dict[Series, list[float]] = defaultdict(lambda: [0.0] * WIDTH)
        for slot in range(self.count):
            for series, numbers in _rows(self._table(slot)):
                found[series] = [a + b for a, b in zip(found[series], numbers, strict=True)]
        return dict(found)

    def number(self, slot: int, series: Series) -> float:
        """The first number of one process's series; 0 where it has none."""
        return next((numbers[0] for found, numbers in _rows(self._table(slot)) if found == series), 0.0)

    def forget(self, slot: int, *families: str) -> None:
        """Set to 0 what a process that has ended can no longer have: requests at hand, say."""
        for series, numbers in _rows(self._table(slot)):
            if series[0] in families:
                for index in range(WIDTH):
                    numbers[index] = 0.0

    def _table(self, slot: int) -> memoryview:
        return self._view[slot * ROWS * ROW : (slot + 1) * ROWS * ROW]


class Counts:
    """One process's table."""

    def __init__(self, table: memoryview) -> None:
        self._table = table
        self._known: dict[Series, Numbers] = dict(_rows(table))

    def row(self, series: Series) -> Numbers:
        """The `WIDTH` numbers of a series, to be written to. Where there is no room for another: numbers nobody reads.

        What is counted has few labels with few values each, so that there is room.
        """
        found = self._known.get(series)
        if found is None:
            found = self._known[series] = self._new(series)
        return found

    def _new(self, series: Series) -> Numbers:
        key = json.dumps(series).encode()
        start = sum(1 for _ in _rows(self._table)) * ROW
        if start == len(self._table) or len(key) > KEY:
            return memoryview(bytearray(8 * WIDTH)).cast("d")
        self._table[start + 8 : start + 8 + len(key)] = key
        self._table[start : start + 8] = len(key).to_bytes(8, "little")  # last: from here on the row is there
        return _numbers(self._table, start)


def _rows(table: memoryview) -> Iterator[tuple[Series, Numbers]]:
    for start in range(0, len(table), ROW):
        length = int.from_bytes(table[start : start + 8], "little")
        if not length:
            return
        yield tuple(json.loads(bytes(table[start + 8 : start + 8 + length]))), _numbers(table, start)


def _numbers(table: memoryview, start: int) -> Numbers:
    return table[start + 8 + KEY : start + ROW].cast("d")
