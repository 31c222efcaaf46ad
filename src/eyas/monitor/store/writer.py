"""Predictions on their way to the store: behind the answers, in batches, and never in their way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event, Lock, Thread
from time import time

from eyas.core.errors import EyasError, StoreError
from eyas.monitor.store.engine import RefusedRowError
from eyas.monitor.store.predictions import PredictionStore
from eyas.monitor.store.rows import Feedback, Image, Prediction, Record
from eyas.monitor.store.waiting import Reason, Waiting, WriterLimits

LAST_RETRY_SECONDS = 0.1
"""Between two tries while it is closed."""


@dataclass(frozen=True)
class WriterState:
    """What a writer has done since it began."""

    predictions: int
    """Written; one that was there already counts too."""
    feedback: int
    images: int
    waiting: int
    """Records yet to be written."""
    dropped: Mapping[Reason, int]
    """Records by reason; a reason that never was is not there."""
    last_error: str
    """Empty where there never was one."""
    failing_since: float | None
    """Unix seconds; None while the database takes what it gets."""


class StoreWriter:
    """Writes to a store from a thread of its own, which begins with it: after a fork, each process makes its own.

    A record waits for a full batch or `limits.seconds`. While the database is down, locked or full it is tried again
    and again, and what finds no room meanwhile is dropped and counted (see `Waiting`). A record that is refused, by a
    rule or by the database, is found by halving its batch, and only it is dropped.

    Args:
        store: stays the caller's, to be closed after the writer.
        limits: of the memory, batches and pauses.
    """

    def __init__(self, store: PredictionStore, limits: WriterLimits | None = None) -> None:
        self._store, self._limits = store, limits or WriterLimits()
        self._waiting = Waiting(self._limits)
        self._under_way: list[list[Record]] = []
        self._lock = Lock()
        self._written: Counter[type[Record]] = Counter()
        self._dropped: Counter[Reason] = Counter()
        self._last_error = ""
        self._failing_since: float | None = None
        self._some, self._full, self._closing, self._given_up = Event(), Event(), Event(), Event()
        self._thread = Thread(target=self._run, name="prediction-store", daemon=True)
        self._thread.start()

    def put(self, *records: Record) -> None:
        """Keep records. Takes a few microseconds each, waits for nothing and raises nothing."""
        if self._closing.is_set():
            self._drop("closed", len(records))
        else:
            for reason, count in self._waiting.add(records).items():
                self._drop(reason, count)
        if not self._some.is_set():
            self._some.set()
        if len(self._waiting) >= self._limits.batch and not self._full.is_set():
            self._full.set()

    def state(self) -> WriterState:
        """Of this moment."""
        with self._lock:
            written = self._written
            return WriterState(
                predictions=written[Prediction],
                feedback=written[Feedback],
                images=written[Image],
                waiting=len(self._waiting) + sum(map(len, self._under_way)),
                dropped=dict(self._dropped),
                last_error=self._last_error,
                failing_since=self._failing_since,
            )

    def close(self, timeout: float = 5.0) -> WriterState:
        """Write what waits; what is not written in time is dropped and counted.

        Args:
            timeout: seconds; a transaction that hangs is left behind then, and ends with the process.
        """
        self._closing.set()
        self._some.set()
        self._full.set()
        self._thread.join(timeout)
        self._given_up.set()
        self._thread.join(2 * LAST_RETRY_SECONDS)
        with self._lock:
            left = len(self._waiting.take(len(self._waiting))) + sum(map(len, self._under_way))
            self._under_way = []
        if left:
            self._drop("closed", left)
        return self.state()

    def _run(self) -> None:
        while not self._given_up.is_set() and (len(self._waiting) or not self._closing.is_set()):
            self._some.wait()
            self._full.wait(self._limits.seconds)
            if not self._closing.is_set():
                self._some.clear()
                self._full.clear()
            with self._lock:  # a record is always seen to wait, here or there
                self._under_way = [self._waiting.take(self._limits.batch)]
            if len(self._waiting):
                self._some.set()
            if len(self._waiting) >= self._limits.batch:
                self._full.set()
            self._deliver()

    def _deliver(self) -> None:
        """Write what is under way, until it is written, refused, or given up."""
        pause = self._limits.retry_seconds
        while self._under_way and not self._given_up.is_set():
            batch = self._under_way[-1]
            try:
                if batch:
                    self._store.write(batch)
            except RefusedRowError as error:
                self._halve(batch, error)
            except StoreError as error:
                self._fails(error)
                self._wait(pause)
                pause = min(2 * pause, self._limits.longest_retry_seconds)
            except Exception as error:  # noqa: BLE001 - whatever a record brings about, the others are written
                self._halve(batch, error)
            else:
                self._is_written(batch)
                pause = self._limits.retry_seconds

    def _wait(self, pause: float) -> None:
        if self._closing.is_set():
            self._given_up.wait(LAST_RETRY_SECONDS)
        else:
            self._closing.wait(pause)

    def _halve(self, batch: list[Record], error: Exception) -> None:
        """Two batches from one that holds a refused record; a batch of one is that record."""
        middle = len(batch) // 2
        with self._lock:
            if not self._take_off(batch):
                return
            if middle:
                self._under_way += [batch[middle:], batch[:middle]]
            else:
                self._dropped["refused"] += 1
                self._last_error = _said(error)

    def _fails(self, error: StoreError) -> None:
        with self._lock:
            self._last_error = _said(error)
            self._failing_since = self._failing_since or time()

    def _is_written(self, batch: list[Record]) -> None:
        with self._lock:
            if self._take_off(batch) and batch:
                self._written.update(type(record) for record in batch)
                self._failing_since = None

    def _take_off(self, batch: list[Record]) -> bool:
        """False where closing has given it up already, and counted it as dropped."""
        if not self._under_way or self._under_way[-1] is not batch:
            return False
        self._under_way.pop()
        return True

    def _drop(self, reason: Reason, count: int) -> None:
        with self._lock:
            self._dropped[reason] += count


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, EyasError) else f"{type(error).__name__}: {error}"
