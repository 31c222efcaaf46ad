"""Which stores there are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from eyas.core.errors import ConfigError, StoreError
from eyas.monitor.store import WriterLimits, open_store

SOON = WriterLimits(seconds=0.02, retry_seconds=0.02, longest_retry_seconds=0.1)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("", "must be a file's path"),
        (":memory:", "must be a file's path"),
        ("mysql://me:secret@host/db", r"got 'mysql://…'"),
        ("postgresql://me:secret@host:port:5/db?x", "the prediction store's URL must be postgresql://USER"),
    ],
)
def test_what_is_no_store_is_said_without_the_password(where: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        open_store(where)
    assert "secret" not in str(caught.value)


def test_paths_and_urls_of_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_store("sqlite:///a.db").where == "a.db"
    assert open_store(f"sqlite:///{tmp_path}/a.db").where == f"{tmp_path}/a.db"
    assert open_store(tmp_path / "a.db").where == f"{tmp_path}/a.db"


def test_a_file_that_is_no_database_is_said(file: Path) -> None:
    file.write_text("This is a text and no database, and long enough to be told from one. " * 20)
    with pytest.raises(StoreError, match=r"predictions.db cannot be used: file is not a database"):
        open_store(file).check()


def test_a_store_of_sqlite_loads_no_driver_of_postgresql() -> None:
    code = """
import sys, eyas.monitor.store as s
s.open_store('a.db')
print([m for m in ('psycopg', 'onnxruntime') if m in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert found.stdout.strip() == "[]"
