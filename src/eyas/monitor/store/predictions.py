"""The store as its users see it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event

from eyas.core.errors import StoreError
from eyas.monitor.store import copying, counting, reading, retention, writing
from eyas.monitor.store.counting import Bucket, ClassAccuracy, Confusion, VersionTotals
from eyas.monitor.store.engine import Engine, StoreContent, StoreSize
from eyas.monitor.store.filters import EVERYTHING, Cursor, Filter
from eyas.monitor.store.reading import Outcome, Page, Scored, StoredPrediction
from eyas.monitor.store.retention import Removed, Retention
from eyas.monitor.store.rows import Image, Record


class PredictionStore:
    """Predictions, their images and their true labels, over an `Engine`.

    Any thread may use it; each call waits for the database, so that an event loop calls it through a thread. After a
    fork, a process opens its own. Every method raises StoreError where the database cannot be used, and works again
    when it can.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.where = engine.where
        """Path or address, without a password."""

    def check(self) -> None:
        """Reach the database, and make the tables where there are none."""
        self._engine.size()

    def write(self, records: Sequence[Record]) -> None:
        """See `writing.write`."""
        writing.write(self._engine, records)

    def by_id(self, id_: str) -> tuple[StoredPrediction, ...]:
        """See `reading.by_id`."""
        return reading.by_id(self._engine, id_)

    def image(self, id_: str) -> Image | None:
        """See `reading.image`."""
        return reading.image(self._engine, id_)

    def recent(self, most: int, where: Filter = EVERYTHING, older: Cursor | None = None) -> Page:
        """See `reading.recent`."""
        return reading.recent(self._engine, most, where, older)

    def scored(self, most: int, where: Filter = EVERYTHING, *, newest: bool = True) -> tuple[Scored, ...]:
        """See `reading.scored`."""
        return reading.scored(self._engine, most, where, newest=newest)

    def outcomes(self, where: Filter = EVERYTHING, after: int = 0, most: int = 1000) -> tuple[Outcome, ...]:
        """See `reading.outcomes`."""
        return reading.outcomes(self._engine, where, after, most)

    def last_outcome(self) -> int:
        """See `reading.last_outcome`."""
        return reading.last_outcome(self._engine)

    def buckets(self, seconds: float, where: Filter = EVERYTHING, most: int = 1000) -> tuple[Bucket, ...]:
        """See `counting.buckets`."""
        return counting.buckets(self._engine, seconds, where, most)

    def totals_by_version(self, where: Filter = EVERYTHING) -> tuple[VersionTotals, ...]:
        """See `counting.totals_by_version`."""
        return counting.totals_by_version(self._engine, where)

    def accuracy_by_class(self, where: Filter = EVERYTHING) -> tuple[ClassAccuracy, ...]:
        """See `counting.accuracy_by_class`."""
        return counting.accuracy_by_class(self._engine, where)

    def confusion(self, where: Filter = EVERYTHING) -> tuple[Confusion, ...]:
        """See `counting.confusion`."""
        return counting.confusion(self._engine, where)

    def sweep(self, kept: Retention, now: float, stop: Event | None = None) -> Removed:
        """See `retention.sweep`."""
        return retention.sweep(self._engine, kept, now, stop)

    def copy_to(self, file: Path) -> StoreContent:
        """Everything of one moment as a new SQLite file, while others write; a store as any other.

        Raises:
            StoreError: either cannot be used, or `file` is there already.
        """
        if file.exists():
            raise StoreError(f"{file} exists already and is never overwritten")
        return self._engine.copy_to(file)

    def take_in(self, other: PredictionStore) -> None:
        """Add all rows of another store. What is there already stays; of two labels the later one holds.

        Other writers come in between. Where it fails, a part is there, and once more adds the rest.
        """
        with other._engine.reading() as source:
            copying.take_in(source, self._engine)

    def size(self) -> StoreSize:
        """What it takes of the disk, in bytes."""
        return self._engine.size()

    def close(self) -> None:
        """End its connections. What is used again opens others."""
        self._engine.close()
