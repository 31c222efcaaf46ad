"""From what a configuration names to a store."""

from __future__ import annotations

from pathlib import Path

from eyas.core.errors import ConfigError, StoreError, needs_extra
from eyas.monitor.store.engine import Engine
from eyas.monitor.store.predictions import PredictionStore
from eyas.monitor.store.sqlite import SqliteEngine

POSTGRES_SCHEMES = ("postgresql", "postgres")


def open_store(where: str | Path) -> PredictionStore:
    """The store at a path or URL. It is reached when it is first needed: `PredictionStore.check` does so at once.

    Args:
        where: a file's path, `sqlite:///FILE`, or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    Raises:
        ConfigError: a URL of another kind.
        MissingExtraError: PostgreSQL's driver is not installed.
    """
    return PredictionStore(_engine(str(where)))


def require_there(where: str | Path) -> None:
    """Refuse a file that is not there yet, which opening it would make.

    Raises:
        StoreError: there is none.
    """
    file = _file(str(where))
    if file is not None and not file.is_file():
        raise StoreError(f"there is no prediction store at {file}")


def _engine(where: str) -> Engine:
    file = _file(where)
    if file is None:
        with needs_extra("postgres"):
            from eyas.monitor.store.postgres import PostgresEngine
        return PostgresEngine(where)
    return SqliteEngine(file)


def _file(where: str) -> Path | None:
    """None for PostgreSQL."""
    scheme, mark, rest = where.partition("://")
    if mark and scheme in POSTGRES_SCHEMES:
        return None
    file = where if not mark else rest.removeprefix("/") if scheme == "sqlite" else ""
    if not file or file == ":memory:":
        rule = "a file's path, sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
        raise ConfigError(f"the prediction store must be {rule}, got {f'{scheme}://…' if mark else where!r}")
    return Path(file)
