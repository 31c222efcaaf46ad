"""The writer: batches, bounds, a locked database, and its end."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
from store_samples import NOON, PREDICTION, ids, label, prediction, predictions

from eyas.core.errors import ConfigError, InputError, StoreError
from eyas.monitor.store import Image, PredictionStore, StoreWriter, WriterLimits, open_store
from eyas.monitor.store.waiting import Waiting
from support.waiting import wait_until

SOON = WriterLimits(seconds=0.02, retry_seconds=0.02, longest_retry_seconds=0.1)
PATIENCE = 30


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


def test_limits_have_rules() -> None:
    with pytest.raises(ConfigError, match="batch must be above 0, got 0"):
        WriterLimits(batch=0)
    with pytest.raises(InputError, match="content must be bytes, got str"):
        Image("a", NOON, "image/png", "text")


def test_feedback_leaves_first_and_images_last() -> None:
    waiting = Waiting(WriterLimits())
    image = Image("a", NOON, "image/png", b"123")
    dropped = waiting.add([image, PREDICTION, label()])
    assert not dropped
    assert waiting.take(2) == [label(), PREDICTION]
    assert waiting.take(2) == [image]
    assert len(waiting) == 0
