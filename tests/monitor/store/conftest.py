"""A store in a file, which waits for no other writer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from eyas.monitor.store import PredictionStore
from eyas.monitor.store.sqlite import SqliteEngine


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "predictions.db"


@pytest.fixture
def store(file: Path) -> Iterator[PredictionStore]:
    opened = PredictionStore(SqliteEngine(file, busy_seconds=0.05))
    yield opened
    opened.close()
