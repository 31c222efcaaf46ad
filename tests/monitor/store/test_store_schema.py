"""Older tables become newer ones: once, all of it or nothing, and with the rows that were there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Barrier

import pytest
from store_samples import PREDICTION, ids, label, prediction

from eyas.core.errors import StoreError
from eyas.monitor.store import PredictionStore
from eyas.monitor.store.engine import Engine
from eyas.monitor.store.sqlite import SqliteEngine
from eyas.monitor.store.tables import SCHEMA, Schema
from support.postgres import Postgres, needs_postgres, running_postgres

NAMES = count()
ADD_NOTE, ADD_COST = (f"ALTER TABLE eyas_predictions ADD COLUMN {name}" for name in ("note TEXT", "cost BIGINT"))
NEXT = Schema(SCHEMA.number + 1, SCHEMA.tables, {SCHEMA.number: (ADD_NOTE,)})
AFTER = Schema(SCHEMA.number + 2, SCHEMA.tables, {**NEXT.steps, NEXT.number: (ADD_COST,)})


class SchemaContract:
    """Inherited by the tests of each database."""

    @pytest.fixture(autouse=True)
    def closing(self) -> Iterator[None]:
        self.stores: list[PredictionStore] = []
        yield
        for store in self.stores:
            store.close()

    def engine(self, where: str, schema: Schema) -> Engine:
        raise NotImplementedError

    def opened(self, where: str, schema: Schema = SCHEMA) -> PredictionStore:
        self.stores.append(PredictionStore(self.engine(where, schema)))
        return self.stores[-1]

    def columns(self, store: PredictionStore) -> int:
        """How many of the two new columns are there."""
        found = 0
        for name in ("note", "cost"):
            try:
                with store._engine.reading() as session:
                    session.rows(f"SELECT {name} FROM eyas_predictions")
            except StoreError:
                continue
            found += 1
        return found

    def test_rows_stay_and_all_goes_on(self, where: str) -> None:
        old = self.opened(where)
        old.write([PREDICTION, label()])
        new = self.opened(where, AFTER)
        assert new.by_id("a")[0].correct
        assert self.columns(new) == 2
        new.write([prediction("b"), label("b")])
        assert [one.id for one in new.outcomes()] == ["a", "b"]
        old.write([prediction("c"), label("c")])  # it has the database open, as the old half of a fleet has
        assert [one.id for one in new.outcomes()] == ["a", "b", "c"]
        old.close()
        with pytest.raises(StoreError, match="must have schema 1 or an older one, got 3: a newer eyas wrote it"):
            old.by_id("a")

    def test_one_step_after_the_other(self, where: str) -> None:
        for schema, columns in ((SCHEMA, 0), (NEXT, 1), (AFTER, 2)):
            store = self.opened(where, schema)
            store.check()
            assert self.columns(store) == columns

    def test_a_step_that_fails_leaves_all_as_it_was(self, where: str) -> None:
        old = self.opened(where)
        old.write([PREDICTION])
        broken = replace(AFTER, steps={**NEXT.steps, NEXT.number: (ADD_COST, "ALTER TABLE nowhere ADD COLUMN x TEXT")})
        new = self.opened(where, broken)
        with pytest.raises(StoreError, match="nowhere"):
            new.check()
        assert self.columns(old) == 0
        assert ids(self.opened(where)) == ["a"]

    def test_two_at_once_take_each_step_once(self, where: str) -> None:
        self.opened(where).write([PREDICTION])
        stores = [self.opened(where, AFTER) for _ in range(4)]
        start = Barrier(len(stores))

        def open_it(store: PredictionStore) -> list[str]:
            start.wait()
            return ids(store)

        with ThreadPoolExecutor(len(stores)) as pool:
            assert list(pool.map(open_it, stores)) == [["a"]] * len(stores)


class TestSqliteSchema(SchemaContract):
    @pytest.fixture
    def where(self, tmp_path: Path) -> str:
        return str(tmp_path / "predictions.db")

    def engine(self, where: str, schema: Schema) -> Engine:
        return SqliteEngine(Path(where), schema=schema)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    pytest.importorskip("psycopg", reason='psycopg is not installed: pip install "eyas[postgres]"')
    with running_postgres() as server:
        yield server


@needs_postgres
class TestPostgresSchema(SchemaContract):
    @pytest.fixture
    def where(self, server: Postgres) -> str:
        import psycopg

        name = f"schema_{next(NAMES)}"
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return server.url.removesuffix("postgres") + name

    def engine(self, where: str, schema: Schema) -> Engine:
        from eyas.monitor.store.postgres import PostgresEngine

        return PostgresEngine(where, schema=schema)
