"""What the store needs of a database: transactions for writing, one by one, others for reading, and its size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

from eyas.core.errors import StoreError

CLOSE_SECONDS = 2.0
"""That closing waits for a transaction under way."""


class RefusedRowError(StoreError):
    """The database is well and takes no such row: to try it again is of no use."""


@dataclass(frozen=True)
class Dialect:
    """Where the SQL of two databases differs."""

    number: str
    """The type of a key that counts up."""
    content: str
    """The type of bytes."""
    bucket: str
    """The whole number of spans of `?` seconds in `p.time`."""
    has_tables: str
    """A query with a row where the tables are there."""


@dataclass(frozen=True)
class StoreSize:
    """In bytes."""

    total: int
    """On disk, with indices and what is yet to be merged."""
    free: int
    """Of it, what rows to come will fill; 0 where the database does not tell."""


@dataclass(frozen=True)
class StoreContent:
    """How many rows there are of each kind."""

    predictions: int
    images: int
    feedback: int


class Session(Protocol):
    """SQL with `?` for each value, inside a transaction."""

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What a query finds, or a command returns."""

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """How many rows a command has changed."""

    def run_each(self, sql: str, many: Sequence[Sequence[object]]) -> None:
        """Run a command for each."""


class Engine(Protocol):
    """A database that is reached when it is first needed, and again after it was lost. Any thread may use it.

    Every method raises StoreError where the database does not answer, is locked or full, or has another schema;
    RefusedRowError where it refuses a row.
    """

    dialect: Dialect
    where: str
    """Its path, or its address without the password."""

    def writing(self) -> AbstractContextManager[Session]:
        """A transaction, with no other one of this store at the same time, in any process."""

    def reading(self) -> AbstractContextManager[Session]:
        """A transaction that waits for no writer."""

    def copy_to(self, file: Path) -> StoreContent:
        """Everything of one moment as a new SQLite file; writers wait for it no longer than for a reader."""

    def size(self) -> StoreSize:
        """What it takes of the disk."""

    def shrink(self) -> bool:
        """Give a small piece of free space back to the disk; whether there is more worth giving."""

    def close(self) -> None:
        """End its connections. It may be used again."""


C = TypeVar("C")


class Held(Generic[C]):
    """One connection, for one thread at a time. Whatever fails on it ends it, and the next use opens another.

    Args:
        connect: opens one.
        close: ends one, with whatever is not committed.
        is_alive: False where it is of no use any more.
    """

    def __init__(self, connect: Callable[[], C], close: Callable[[C], None], is_alive: Callable[[C], bool]) -> None:
        self._connect, self._close, self._is_alive = connect, close, is_alive
        self._connection: C | None = None
        self._lock = Lock()

    @contextmanager
    def use(self) -> Iterator[C]:
        """The connection, opened where there is none."""
        with self._lock:
            if self._connection is not None and not self._is_alive(self._connection):
                self._drop()
            if self._connection is None:
                self._connection = self._connect()
            try:
                yield self._connection
            except BaseException:
                self._drop()
                raise

    def end(self) -> None:
        """Close it, unless it hangs in a transaction: then it ends with the process."""
        if self._lock.acquire(timeout=CLOSE_SECONDS):
            try:
                self._drop()
            finally:
                self._lock.release()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._close(connection)
