"""The store in a file: SQLite with a write-ahead log, which several processes of one machine may share."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from eyas.core.errors import StoreError
from eyas.monitor.store.copying import settle
from eyas.monitor.store.engine import Dialect, Held, RefusedRowError, StoreContent, StoreSize
from eyas.monitor.store.tables import SCHEMA, Schema, is_current, make_tables

BUSY_SECONDS = 5.0
"""That a transaction waits for another process's."""
RETRY_SECONDS = 0.02
LOG_BYTES = 64 * 2**20
"""To which the write-ahead log is cut back after a reader has let it grow."""
SHRINK_PAGES = 256
WORTH_SHRINKING = 0.25
"""Share of the file that is free: below it, the next days' rows will fill it."""
REFUSALS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, OverflowError, UnicodeEncodeError)
SQLITE = Dialect(
    number="INTEGER PRIMARY KEY",
    content="BLOB",
    bucket="CAST(p.time / ? AS INTEGER)",
    has_tables="SELECT 1 FROM sqlite_master WHERE name = 'eyas_store'",
)


class SqliteEngine:
    """An `Engine` over a file, which is made where it is not there.

    A killed process loses no committed row. A machine that loses its power may lose the last of them, and nothing else
    (synchronous=NORMAL). The file must lie on a disk of this machine: no network file system carries the log.

    Args:
        path: the file; two more lie beside it while it is open.
        busy_seconds: that a transaction waits for another process's.
        schema: that the tables are to have; older ones are brought to it.
    """

    dialect = SQLITE

    def __init__(self, path: Path, busy_seconds: float = BUSY_SECONDS, schema: Schema = SCHEMA) -> None:
        self._path, self._busy, self._schema, self.where = path, busy_seconds, schema, str(path)
        self._writer, self._reader = self._held(), self._held()

    def _held(self) -> Held[_Connection]:
        return Held(self._connect, _Connection.close, lambda connection: connection.file == _file_of(self._path))

    @contextmanager
    def writing(self) -> Iterator[_Connection]:
        """See `Engine.writing`."""
        with self._failures(), self._writer.use() as connection, connection.transaction("IMMEDIATE"):
            yield connection

    @contextmanager
    def reading(self) -> Iterator[_Connection]:
        """See `Engine.reading`."""
        with self._failures(), self._reader.use() as connection, connection.transaction("DEFERRED"):
            yield connection

    def copy_to(self, file: Path) -> StoreContent:
        """See `Engine.copy_to`."""
        with self._failures():
            with self._reader.use() as connection:
                connection.copy_to(file)
            return settle(file)

    def size(self) -> StoreSize:
        """See `Engine.size`."""
        with self._failures(), self._reader.use() as connection:
            page, pages, free = (connection.pragma(name) for name in ("page_size", "page_count", "freelist_count"))
        log = self._path.with_name(f"{self._path.name}-wal")
        return StoreSize(page * pages + (log.stat().st_size if log.exists() else 0), page * free)

    def shrink(self) -> bool:
        """See `Engine.shrink`."""
        with self._failures(), self._writer.use() as connection:
            if connection.pragma("freelist_count") < WORTH_SHRINKING * connection.pragma("page_count"):
                return False
            before = connection.pragma("page_count")
            connection.run_to_the_end(f"PRAGMA incremental_vacuum({SHRINK_PAGES})")
            return connection.pragma("page_count") < before

    def close(self) -> None:
        """See `Engine.close`."""
        self._writer.end()
        self._reader.end()

    def _connect(self) -> _Connection:
        """With the tables. Two processes that make the file at once lock each other out for a moment."""
        patience = monotonic() + self._busy
        self._path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            connection = _Connection(self._path, self._busy)
            try:
                self._prepare(connection)
            except sqlite3.OperationalError as error:
                connection.close()
                if "locked" not in str(error) or monotonic() > patience:
                    raise
                sleep(RETRY_SECONDS)
            except BaseException:
                connection.close()
                raise
            else:
                return connection

    def _prepare(self, connection: _Connection) -> None:
        connection.rows("PRAGMA auto_vacuum = INCREMENTAL")  # only a file without tables listens
        mode = connection.rows("PRAGMA journal_mode = WAL")[0][0]
        if mode != "wal":
            raise StoreError(
                f"{self.where} must lie where SQLite can keep a write-ahead log, got journal mode {mode!r}"
            )
        connection.rows("PRAGMA synchronous = NORMAL")
        connection.rows(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        if not is_current(connection, SQLITE, self._schema, self.where):
            with connection.transaction("IMMEDIATE"):
                make_tables(connection, SQLITE, self._schema, self.where)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except REFUSALS as error:
            raise RefusedRowError(f"{self.where} refuses a row: {error}") from error
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self.where} cannot be used: {error}") from error


class _Connection:
    """A `Session`, and the connection under it."""

    def __init__(self, path: Path, busy_seconds: float) -> None:
        self._sqlite = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
        self.file = _file_of(path)

    @contextmanager
    def transaction(self, kind: str) -> Iterator[None]:
        """Commit at the end; who fails closes the connection, which rolls back."""
        self._sqlite.execute(f"BEGIN {kind}")
        yield
        self._sqlite.execute("COMMIT")

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """See `Session.rows`."""
        return self._sqlite.execute(sql, tuple(values)).fetchall()

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """See `Session.run`."""
        return self._sqlite.execute(sql, tuple(values)).rowcount

    def run_each(self, sql: str, many: Sequence[Sequence[object]]) -> None:
        """See `Session.run_each`."""
        self._sqlite.executemany(sql, many)

    def run_to_the_end(self, command: str) -> None:
        """A command that does a part at each step and gives no rows: `execute` would take one step only."""
        self._sqlite.executescript(command)

    def copy_to(self, file: Path) -> None:
        """In one step: between several, each write by another process would make it begin anew."""
        target = sqlite3.connect(file)
        try:
            self._sqlite.backup(target, pages=-1)
        finally:
            target.close()

    def pragma(self, name: str) -> int:
        """The value of a setting."""
        return int(self.rows(f"PRAGMA {name}")[0][0])

    def close(self) -> None:
        """With whatever is not committed rolled back."""
        self._sqlite.close()


def _file_of(path: Path) -> tuple[int, int] | None:
    """Which file lies there: rows written to one that was replaced would be lost."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
