"""Numbers in memory that the workers share, so that any of them can tell all, and none is lost with a worker.

Each process has a table of its own: nobody else writes to it, so that no process waits for another. A worker that takes
a dead one's place goes on with its table, so that sums never fall. A row is a name with its labels, and up to `WIDTH`
numbers.

    table = rows × [ state: 8 bytes | left: float64 | key: KEY bytes | WIDTH float64 ]
    state = 256 · (how often the row was given to a series) + length of the key, 0 while it is given
    left  = when what the series is about ceased to be served; 0 before

A series that has left is told for `LINGER` seconds more, so that its last numbers are read. Then it is gone, from all
tables at once as soon as it is from one, so that its sum does not fall either; and its rows go to others once there are
none that were never used. If it comes back within that time, it goes on; later, it starts anew.

A reader takes a row only where its state is the same before and after, so that it never sees one series under the name
of another. It may see a sum a moment before the count that belongs to it, as with any metrics that are read while they
grow.
"""

from __future__ import annotations

import json
import mmap
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache
from struct import Struct
from threading import Lock
from time import monotonic
from typing import NamedTuple, TypeAlias

ROWS = 1024
KEY = 240
WIDTH = 20
LINGER = 120.0  # two of Prometheus's default intervals
_STATE, _LEFT, _ROW = Struct("Q"), Struct("d"), Struct(f"Qd{KEY}s{WIDTH}d")
ROW = _ROW.size
GIVEN = 256  # in a row's state, above the length of its key

Numbers: TypeAlias = "memoryview[float]"
Series = tuple[str, ...]
"""The name of a family, then the values of its labels."""


class _Row(NamedTuple):
    """As of one moment."""

    start: int
    """In its table."""
    left: float
    series: Series
    """Empty where the row is nobody's: it is being given, or its process was killed meanwhile."""
    numbers: tuple[float, ...]


class Tables:
    """The tables of `count` processes, in one anonymous map: made before they are forked.

    Args:
        linger: seconds that a series is told after it has left.
    """

    def __init__(self, count: int, linger: float = LINGER) -> None:
        self.count, self._linger = count, linger
        self._map = mmap.mmap(-1, count * ROWS * ROW)
        self._view = memoryview(self._map)

    def counts(self, slot: int) -> Counts:
        """The table of one process, with what it holds already."""
        return Counts(self._table(slot), self._linger)

    def total(self) -> dict[Series, list[float]]:
        """The numbers of each series, added up over all tables."""
        found: dict[Series, list[float]] = defaultdict(lambda: [0.0] * WIDTH)
        gone: set[Series] = set()
        for slot in range(self.count):
            for row in _rows(self._table(slot)):
                if _is_gone(row.left, self._linger):
                    gone.add(row.series)
                found[row.series] = [a + b for a, b in zip(found[row.series], row.numbers, strict=True)]
        return {series: numbers for series, numbers in found.items() if series and series not in gone}

    def number(self, slot: int, series: Series) -> float:
        """The first number of one process's series; 0 where it has none."""
        return next((row.numbers[0] for row in _rows(self._table(slot)) if row.series == series), 0.0)

    def forget(self, slot: int, *families: str) -> None:
        """Set to 0 what a process that has ended can no longer have: requests at hand, say."""
        table = self._table(slot)
        for row in _rows(table):
            if row.series and row.series[0] in families:
                numbers = _numbers(table, row.start)
                for index in range(WIDTH):
                    numbers[index] = 0.0

    def _table(self, slot: int) -> memoryview:
        return self._view[slot * ROWS * ROW : (slot + 1) * ROWS * ROW]


class Counts:
    """One process's table. Threads may ask for rows at once; each row is written to by one of them at a time."""

    def __init__(self, table: memoryview, linger: float) -> None:
        self._table, self._linger = table, linger
        self._giving = Lock()
        rows = [*_rows(table)]
        self._used = len(rows)
        self._starts = {row.series: row.start for row in rows if row.series}
        self._left = {row.series: row.left for row in sorted(rows, key=lambda row: row.left) if row.series and row.left}
        self._known = self._views()

    def row(self, series: Series) -> Numbers:
        """The `WIDTH` numbers of a series, to be written to. Where there is no room for another: numbers nobody reads.

        What is counted has few labels with few values each, and what has left makes room, so that there is some. The
        numbers are another series' once this one is gone: ask anew each time.
        """
        found = self._known.get(series)
        if found is None:
            with self._giving:
                found = self._known.get(series)
                if found is None:
                    found = self._known[series] = self._new(series)
        return found

    def keep(self, stays: Callable[[Series], bool]) -> None:
        """Note which series have left, and which have come back."""
        with self._giving:
            for series, start in self._starts.items():
                if stays(series):
                    left = self._left.pop(series, None)
                    if left is not None and _is_gone(left, self._linger):
                        self._give(start, _key(series))
                    elif left is not None:
                        self._mark(start, 0.0)
                elif series not in self._left:
                    self._left[series] = monotonic()
                    self._mark(start, self._left[series])
            self._known = self._views()  # without those that there was no room for: there may be some now

    def _views(self) -> dict[Series, Numbers]:
        return {series: _numbers(self._table, start) for series, start in self._starts.items()}

    def _new(self, series: Series) -> Numbers:
        key = _key(series)
        start = self._room() if len(key) <= KEY else None
        if start is None:
            return memoryview(bytearray(8 * WIDTH)).cast("d")
        self._starts[series] = start
        self._give(start, key)
        return _numbers(self._table, start)

    def _room(self) -> int | None:
        """Where a row begins that was never used, else the one whose series has left first, if it is gone."""
        if self._used < ROWS:
            self._used += 1
            return (self._used - 1) * ROW
        first, left = next(iter(self._left.items()), ((), 0.0))
        if not _is_gone(left, self._linger):
            return None
        del self._left[first], self._known[first]
        return self._starts.pop(first)

    def _mark(self, start: int, left: float) -> None:
        _LEFT.pack_into(self._table, start + _STATE.size, left)

    def _give(self, start: int, key: bytes) -> None:
        """Begin a series in a row, whatever it held before."""
        state: int = _STATE.unpack_from(self._table, start)[0]
        given = (state // GIVEN + 1) * GIVEN
        _STATE.pack_into(self._table, start, given)
        self._table[start + _STATE.size : start + ROW] = _ROW.pack(0, 0.0, key, *[0.0] * WIDTH)[_STATE.size :]
        _STATE.pack_into(self._table, start, given + len(key))  # last: from here on the row is there


def _key(series: Series) -> bytes:
    return json.dumps(series).encode()


def _is_gone(left: float, linger: float) -> bool:
    return bool(left) and monotonic() - left > linger


def _rows(table: memoryview) -> Iterator[_Row]:
    """All that were ever used."""
    for start in range(0, len(table), ROW):
        while True:
            state, left, key, *numbers = _ROW.unpack_from(table, start)
            if _STATE.unpack_from(table, start)[0] == state:
                break
        if not state:
            return
        length = state % GIVEN
        yield _Row(start, left, _series(key[:length]) if length else (), tuple(numbers))


@lru_cache(maxsize=4096)
def _series(key: bytes) -> Series:
    return tuple(json.loads(key))


def _numbers(table: memoryview, start: int) -> Numbers:
    return table[start + ROW - 8 * WIDTH : start + ROW].cast("d")
