"""The writer over a database that fails in every way that one does."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from store_samples import NOON, PREDICTION, ids, label, prediction, predictions

from eyas.core.errors import ConfigError, InputError, StoreError
from eyas.monitor.store import Image, PredictionStore, Reason, Retention, StoreWriter, WriterLimits, open_store
from eyas.monitor.store.sqlite import SqliteEngine
from eyas.monitor.store.waiting import Waiting
from support.postgres import needs_postgres, running_postgres
from support.waiting import wait_until

SOON = WriterLimits(seconds=0.02, retry_seconds=0.02, longest_retry_seconds=0.1)
PATIENCE = 30


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "predictions.db"


@pytest.fixture
def store(file: Path) -> Iterator[PredictionStore]:
    opened = PredictionStore(SqliteEngine(file, busy_seconds=0.05))
    yield opened
    opened.close()


def test_records_are_written_behind_the_answers(store: PredictionStore) -> None:
    writer = StoreWriter(store)
    for record in (PREDICTION, label(), Image("a", NOON, "image/png", b"1")):
        writer.put(record)
    wait_until(lambda: writer.state().waiting == 0, PATIENCE)
    state = writer.state()
    assert (state.predictions, state.feedback, state.images, state.dropped) == (1, 1, 1, {})
    assert (state.last_error, state.failing_since) == ("", None)
    (found,) = store.by_id("a")
    assert found.correct
    assert found.has_image
    writer.close()


def test_a_full_batch_does_not_wait_for_its_time(store: PredictionStore) -> None:
    writer = StoreWriter(store, WriterLimits(batch=10, seconds=600))
    for row in predictions(25):
        writer.put(row)
    wait_until(lambda: writer.state().predictions >= 20, PATIENCE)
    assert writer.close().predictions == 25


def test_closing_writes_what_waits_and_refuses_the_rest(store: PredictionStore) -> None:
    writer = StoreWriter(store, WriterLimits(seconds=600))
    for row in predictions(2000):
        writer.put(row)
    assert writer.close(PATIENCE).predictions == 2000
    writer.put(PREDICTION)
    assert writer.close().dropped == {"closed": 1}
    assert len(ids(store)) == 2000


def test_a_locked_database_is_waited_for(store: PredictionStore, file: Path) -> None:
    store.check()
    writer = StoreWriter(store, SOON)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer.put(PREDICTION)
    wait_until(lambda: writer.state().failing_since, PATIENCE)
    state = writer.state()
    assert "database is locked" in state.last_error
    assert (state.waiting, state.dropped) == (1, {})
    assert abs(time.time() - state.failing_since) < PATIENCE
    other.execute("ROLLBACK")
    other.close()
    wait_until(lambda: writer.state().predictions, PATIENCE)
    assert writer.close().failing_since is None


def test_what_finds_no_room_is_counted_and_the_newest_stay(store: PredictionStore, file: Path) -> None:
    store.check()
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer = StoreWriter(store, WriterLimits(rows=10, feedback=5, image_bytes=100, batch=4, seconds=0.02))
    writer.put(prediction("first"))
    wait_until(lambda: writer.state().failing_since, PATIENCE)  # the first is under way, and stays
    for n in range(30):
        writer.put(prediction(f"{n}"))
        writer.put(label(f"{n}"))
        writer.put(Image(f"{n}", NOON, "image/png", b"x" * 30))
    state = writer.state()
    assert state.dropped == {"overflow": 20, "feedback_overflow": 25, "image_overflow": 27}
    assert state.waiting == 1 + 10 + 5 + 3
    other.execute("ROLLBACK")
    other.close()
    writer.close(PATIENCE)
    assert set(ids(store)) == {"first", *(f"{n}" for n in range(20, 30))}
    assert [row.id for row in store.outcomes()] == [f"{n}" for n in range(25, 30)]
    assert [n for n in range(30) if store.image(f"{n}")] == [0, 1, 2]


def test_putting_never_waits(store: PredictionStore, file: Path) -> None:
    store.check()
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer = StoreWriter(store, SOON)
    rows = predictions(2000)
    taken = []
    for row in rows:
        began = time.perf_counter()
        writer.put(row)
        taken.append(time.perf_counter() - began)
    assert sorted(taken)[len(taken) // 2] < 1e-4
    other.close()
    assert writer.close(PATIENCE).predictions == 2000


def test_closing_a_writer_whose_database_is_dead_ends_in_time(tmp_path: Path) -> None:
    (tmp_path / "no folder").write_text("")
    store = open_store(tmp_path / "no folder/predictions.db")
    writer = StoreWriter(store, SOON)
    for row in predictions(20):
        writer.put(row)
    wait_until(lambda: writer.state().failing_since, PATIENCE)
    began = time.monotonic()
    state = writer.close(0.2)
    assert time.monotonic() - began < 10
    assert (state.dropped, state.waiting, state.predictions) == ({"closed": 20}, 0, 0)
    with pytest.raises(StoreError, match="cannot be used"):
        store.check()


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


def test_a_file_that_is_no_database_is_said(file: Path) -> None:
    file.write_text("This is a text and no database, and long enough to be told from one. " * 20)
    with pytest.raises(StoreError, match=r"predictions.db cannot be used: file is not a database"):
        open_store(file).check()


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


def test_limits_have_rules() -> None:
    with pytest.raises(ConfigError, match="batch must be above 0, got 0"):
        WriterLimits(batch=0)
    with pytest.raises(InputError, match="content must be bytes, got str"):
        Image("a", NOON, "image/png", "text")


def test_feedback_leaves_first_and_images_last() -> None:
    waiting = Waiting(WriterLimits())
    image = Image("a", NOON, "image/png", b"123")
    reasons: list[Reason | None] = [waiting.add(record) for record in (image, PREDICTION, label())]
    assert reasons == [None] * 3
    assert waiting.take(2) == [label(), PREDICTION]
    assert waiting.take(2) == [image]
    assert len(waiting) == 0
