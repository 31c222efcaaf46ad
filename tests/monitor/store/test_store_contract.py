"""Both databases keep the contract."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest
from store_contract import StoreContract

from eyas.monitor.store import PredictionStore
from support.postgres import Postgres, needs_postgres, running_postgres

NAMES = count()


class TestSqlite(StoreContract):
    @pytest.fixture
    def where(self, tmp_path: Path) -> str:
        return str(tmp_path / "made/on the way/predictions.db")

    def refuse(self, store: PredictionStore, id_: str) -> None:
        self.execute(
            store.where,
            f"""CREATE TRIGGER refuse BEFORE INSERT ON eyas_predictions WHEN NEW.id = '{id_}'
            BEGIN SELECT RAISE(ABORT, 'no luck'); END""",
        )

    def execute(self, where: str, command: str) -> None:
        connection = sqlite3.connect(where)
        with connection:
            connection.execute(command)
        connection.close()

    def plan(self, store: PredictionStore, sql: str, values: Sequence[object]) -> str:
        with store._engine.reading() as session:
            return " ".join(row[-1] for row in session.rows(f"EXPLAIN QUERY PLAN {sql}", values))


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    pytest.importorskip("psycopg", reason='psycopg is not installed: pip install "eyas[postgres]"')
    with running_postgres() as server:
        yield server


@needs_postgres
class TestPostgres(StoreContract):
    @pytest.fixture
    def where(self, server: Postgres) -> str:
        name = f"store_{next(NAMES)}"
        self.execute(server.url, f"CREATE DATABASE {name}")
        return server.url.removesuffix("postgres") + name

    def refuse(self, store: PredictionStore, id_: str) -> None:
        self.execute(
            store._engine._url,
            f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF NEW.id = '{id_}' THEN RAISE EXCEPTION 'no luck'; END IF; RETURN NEW; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON eyas_predictions FOR EACH ROW EXECUTE FUNCTION refuse()""",
        )

    def execute(self, where: str, command: str) -> None:
        import psycopg

        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(command.encode())

    def plan(self, store: PredictionStore, sql: str, values: Sequence[object]) -> str:
        with store._engine.reading() as session:
            for way in ("seqscan", "bitmapscan", "sort"):  # which are quicker for few rows
                session.run(f"SET LOCAL enable_{way} = off")
            return " ".join(row[-1] for row in session.rows(f"EXPLAIN {sql}", values))
