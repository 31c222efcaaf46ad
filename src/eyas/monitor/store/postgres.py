"""The store in PostgreSQL, which services on many machines may share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from eyas.core.errors import ConfigError, StoreError
from eyas.core.schema.addresses import shown_database
from eyas.monitor.store.copying import copy_rows, settle
from eyas.monitor.store.engine import Dialect, Held, RefusedRowError, StoreContent, StoreSize
from eyas.monitor.store.sqlite import SqliteEngine
from eyas.monitor.store.tables import SCHEMA, Schema, is_current, make_tables

PATIENCE_SECONDS = 10.0
"""For one statement, and for a writer before this one."""
CONNECT_SECONDS = 5
LOCK = 0x65796173
"""Of all writers of the store: "eyas" in ASCII. Numbers of outcomes would else be seen out of order, and a prediction
and its feedback, written at the same moment by two processes, would not see each other."""
REFUSALS = ("22", "23", "54", "P0")
"""Classes of SQLSTATE that a row brings about: data, a constraint, too large, a trigger's objection."""
POSTGRES = Dialect(
    number="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    content="BYTEA",
    bucket="CAST(FLOOR(p.time / ?) AS BIGINT)",
    has_tables="SELECT 1 FROM pg_tables WHERE tablename = 'eyas_store' AND schemaname = ANY (current_schemas(false))",
)
"""to_regclass would remember within a transaction that there was no table, though another has made it meanwhile."""
RELATIONS = ("eyas_predictions", "eyas_feedback", "eyas_images", "eyas_store")

Connection = psycopg.Connection[tuple[Any, ...]]


class PostgresEngine:
    """An `Engine` over a database by its URL. A pooler in transaction mode may stand between.

    Raises:
        ConfigError: a URL that is none.
    """

    dialect = POSTGRES

    def __init__(self, url: str, patience: float = PATIENCE_SECONDS, schema: Schema = SCHEMA) -> None:
        self._url, self._patience, self._schema, self.where = url, patience, schema, address(url)
        self._writer, self._reader = self._held(), self._held()

    def _held(self) -> Held[Connection]:
        return Held(self._connect, Connection.close, _is_alive)

    @contextmanager
    def writing(self) -> Iterator[_Session]:
        """See `Engine.writing`."""
        with self._failures(), self._writer.use() as connection, self._transaction(connection) as session:
            session.rows(f"SELECT pg_advisory_xact_lock({LOCK})")
            yield session

    @contextmanager
    def reading(self) -> Iterator[_Session]:
        """See `Engine.reading`."""
        with self._failures(), self._reader.use() as connection, self._transaction(connection) as session:
            yield session

    def copy_to(self, file: Path) -> StoreContent:
        """See `Engine.copy_to`."""
        copy = SqliteEngine(file)
        try:
            with self.reading() as session, copy.writing() as target:
                session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                copy_rows(session, target)
        finally:
            copy.close()
        return settle(file)

    def size(self) -> StoreSize:
        """See `Engine.size`."""
        with self.reading() as session:
            total = sum(session.rows(f"SELECT pg_total_relation_size('{name}')")[0][0] for name in RELATIONS)
        return StoreSize(total, 0)

    def shrink(self) -> bool:
        """Nothing to do: autovacuum makes room for rows to come."""
        return False

    def close(self) -> None:
        """See `Engine.close`."""
        self._writer.end()
        self._reader.end()

    def _connect(self) -> Connection:
        connection = psycopg.connect(
            self._url,
            autocommit=True,
            prepare_threshold=None,  # a pooler may send the next transaction elsewhere
            connect_timeout=CONNECT_SECONDS,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=int(1000 * self._patience),
        )
        try:
            with self._transaction(connection) as session:
                if not is_current(session, POSTGRES, self._schema, self.where):
                    session.rows(f"SELECT pg_advisory_xact_lock({LOCK})")
                    make_tables(session, POSTGRES, self._schema, self.where)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _transaction(self, connection: Connection) -> Iterator[_Session]:
        """One that ends by itself where a statement, or its owner between two, takes too long."""
        with connection.transaction():
            session = _Session(connection)
            for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
                session.run(f"SET LOCAL {name} = {int(1000 * self._patience)}")
            yield session

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            if _is_refusal(error):
                raise RefusedRowError(f"{self.where} refuses a row: {said}") from error
            raise StoreError(f"{self.where} cannot be used: {said}") from error


class _Session:
    """A `Session` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """See `Session.rows`."""
        return self._connection.execute(_native(sql), values).fetchall()

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """See `Session.run`."""
        return self._connection.execute(_native(sql), values).rowcount

    def run_each(self, sql: str, many: Sequence[Sequence[object]]) -> None:
        """See `Session.run_each`."""
        if many:
            with self._connection.cursor() as cursor:
                cursor.executemany(_native(sql), many)


def address(url: str) -> str:
    """The URL without its password and its options.

    Raises:
        ConfigError: a URL that is none. Its text is not shown: a part of it may be the password.
    """
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        rule = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special characters of the password as %XX"
        raise ConfigError(f"the prediction store's URL must be {rule}") from None
    return shown_database(url)


@cache
def _native(sql: str) -> bytes:
    """psycopg's mark for a value is %s; none of our SQL has a ? or % of its own."""
    return sql.replace("?", "%s").encode()


def _is_alive(connection: Connection) -> bool:
    """A server that was started again knows nothing of it, which only asking tells."""
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def _is_refusal(error: psycopg.Error) -> bool:
    """What psycopg itself cannot send has no SQLSTATE."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.DataError | psycopg.ProgrammingError)
    return error.sqlstate.startswith(REFUSALS)
