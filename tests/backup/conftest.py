"""Two versions, and places for their predictions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from backup_places import Place, database_maker

from eyas.bundle import Bundle, Repository
from support.bundles import make_bundle
from support.postgres import Postgres, needs_postgres, running_postgres


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """Versions whose probabilities differ."""
    folder = tmp_path_factory.mktemp("bundles")
    return {v: make_bundle(folder / v, version=v, sharpness=float(v)) for v in ("1", "2", "3")}


@pytest.fixture
def repository(tmp_path: Path, bundles: dict[str, Bundle]) -> Repository:
    """Versions 1 and 2 of `digits`; 1 is live."""
    made = Repository(tmp_path / "models")
    made.publish(bundles["1"].path, live=True, by="a test")
    made.publish(bundles["2"].path)
    return made


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    pytest.importorskip("psycopg", reason='psycopg is not installed: pip install "eyas[postgres]"')
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """In each of both databases."""
    if request.param == "sqlite":
        return lambda name: str(tmp_path / f"{name}.db")
    return database_maker(request.getfixturevalue("postgres"))
