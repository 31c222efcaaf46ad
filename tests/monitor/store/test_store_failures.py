"""Databases that are full, killed, gone or dead."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from store_samples import NOON, PREDICTION, ids, label, prediction, predictions

from eyas.core.errors import StoreError
from eyas.monitor.store import Image, PredictionStore, Retention, StoreWriter, WriterLimits, open_store
from eyas.monitor.store.sqlite import SqliteEngine
from support.postgres import needs_postgres, running_postgres
from support.waiting import wait_until

SOON = WriterLimits(seconds=0.02, retry_seconds=0.02, longest_retry_seconds=0.1)
PATIENCE = 30


def test_a_full_database_is_gone_on_with_when_there_is_room(file: Path) -> None:
    """SQLite's own bound on pages is met where a disk's end would be: it belongs to one connection."""
    engine = SqliteEngine(file, busy_seconds=0.05)
    store = PredictionStore(engine)
    store.check()
    with engine.writing() as session:
        pages = session.rows("PRAGMA page_count")[0][0]
        session.rows(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="database or disk is full"):
        store.write(predictions(500))
    store.write(predictions(500))  # by a connection without that bound
    assert len(ids(store)) == 500
    store.close()


FULL = """
import resource, sys, time
from store_samples import predictions, ids
from eyas.monitor.store import StoreWriter, WriterLimits, open_store
store = open_store(sys.argv[1])
store.write(predictions(10))
limit = 400_000  # no file may grow beyond, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
writer = StoreWriter(store, WriterLimits(2000, batch=50, seconds=0.01, retry_seconds=0.01, longest_retry_seconds=0.05))
deadline = time.monotonic() + 60
sent = 0
while not writer.state().failing_since and time.monotonic() < deadline:
    for row in predictions(50, f"x{sent}-"):
        writer.put(row)
    sent += 50
    while writer.state().waiting > 500 and not writer.state().failing_since:
        time.sleep(0.001)
while not writer.state().dropped and time.monotonic() < deadline:
    for row in predictions(50, f"x{sent}-"):
        writer.put(row)
    sent += 50
state = writer.state()
print(state.last_error, flush=True)
assert state.failing_since, state
assert ids(store), "it is still read"
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
state = writer.close(60)
assert state.failing_since is None, state
assert state.predictions + state.dropped["overflow"] == sent, (state, sent)
print(state.predictions + 10, flush=True)
"""


def test_a_full_disk(file: Path) -> None:
    """Files that may not grow, by the kernel's word."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(file)],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    error, written = done.stdout.splitlines()
    assert re.search("disk (is full|I/O error)", error)
    store = open_store(file)
    assert sum(bucket.predictions for bucket in store.buckets(3600)) == int(written)
    store.close()
    assert sqlite3.connect(file).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def write_until_killed(file: str, said: Any, name: str) -> None:
    store = open_store(file)
    n = 0
    while True:
        store.write([*predictions(20, f"{name}{n}-"), *(label(f"{name}{n}-{k}") for k in range(20))])
        n += 1
        said.value = n


def test_a_killed_writer_leaves_whole_batches_to_the_next(file: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    said = spawn.Value("i", 0)
    for name in "ab":
        said.value = 0
        process = spawn.Process(target=write_until_killed, args=(str(file), said, name))
        process.start()
        wait_until(lambda: said.value > 20, 60)
        os.kill(process.pid, signal.SIGKILL)
        process.join(30)
        store = open_store(file)
        found = [id_ for id_ in ids(store) if id_.startswith(name)]
        assert len(found) // 20 in (said.value, said.value + 1)  # the last one, before it could be told
        assert len(found) % 20 == 0
        assert len(store.outcomes(most=10_000)) == len(ids(store))
        store.close()
    assert sqlite3.connect(file).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_file_that_was_removed_is_made_anew(store: PredictionStore, file: Path) -> None:
    store.write([PREDICTION])
    for part in file.parent.glob("predictions.db*"):
        part.unlink()
    store.write([prediction("b")])
    assert ids(store) == ["b"]


def test_free_room_goes_back_to_the_disk(store: PredictionStore, file: Path) -> None:
    store.write([Image(f"{n}", NOON, "image/png", bytes(100_000)) for n in range(60)])
    before = store.size()
    store.sweep(Retention(1), NOON + 10 * 86_400)
    assert store.size().free < store.size().total / 2
    assert store.size().total < before.total / 2 + 2**23  # the log is cut back when it is next merged


@needs_postgres
def test_a_dead_server_comes_back() -> None:
    """Nothing fails while it is down; what found room is written afterwards, the rest is counted."""
    pytest.importorskip("psycopg", reason='psycopg is not installed: pip install "eyas[postgres]"')
    with running_postgres() as server:
        store = open_store(server.url)
        writer = StoreWriter(store, WriterLimits(rows=30, batch=5, seconds=0.02, retry_seconds=0.02))
        writer.put(prediction("before"))
        wait_until(lambda: writer.state().predictions == 1, PATIENCE)

        server.stop()
        for row in predictions(100, "down"):
            writer.put(row)
        wait_until(lambda: writer.state().failing_since, PATIENCE)
        with pytest.raises(StoreError, match=r"postgresql://me@127.0.0.1:\d+/postgres cannot be used"):
            store.by_id("before")
        state = writer.state()
        assert state.waiting + state.dropped["overflow"] == 100
        assert "s3cret" not in state.last_error

        server.start()
        writer.put(prediction("after"))
        wait_until(lambda: writer.state().waiting == 0, PATIENCE)
        state = writer.close()
        assert state.failing_since is None
        assert {"before", "after", "down99"} <= set(ids(store))
        assert len(ids(store)) == state.predictions == 102 - state.dropped["overflow"]
        store.close()


@needs_postgres
def test_a_server_that_was_started_again_is_read_at_once() -> None:
    pytest.importorskip("psycopg", reason='psycopg is not installed: pip install "eyas[postgres]"')
    with running_postgres() as server:
        store = open_store(server.url)
        store.write([PREDICTION])
        assert ids(store) == ["a"]
        server.stop()
        server.start()
        assert ids(store) == ["a"]
        store.close()
