"""All rows of one store into another, whatever their databases: for backups and for a move to another database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep

from eyas.core.errors import StoreError
from eyas.core.io import sync
from eyas.monitor.store.engine import Engine, Session, StoreContent
from eyas.monitor.store.reading import PREDICTION
from eyas.monitor.store.rows import Feedback, Image, Record, read_prediction
from eyas.monitor.store.writing import add, write

ROWS_AT_ONCE, IMAGES_AT_ONCE = 1000, 50
PREDICTIONS = f"SELECT p.number, {PREDICTION} FROM eyas_predictions p WHERE p.number > ? ORDER BY p.number LIMIT ?"
IMAGES = """
    SELECT id, time, media_type, content FROM eyas_images WHERE (time, id) > (?, ?) ORDER BY time, id LIMIT ?"""
FEEDBACK = """
    SELECT id, true_class, time, source FROM eyas_feedback WHERE (time, id) > (?, ?) ORDER BY time, id LIMIT ?"""
LONG_AGO = -1e300


def copy_rows(source: Session, target: Session) -> None:
    """Add the rows of one transaction to another. What is there already stays; of two labels the later one holds."""
    for records in _all(source):
        add(target, records)


def take_in(source: Session, target: Engine) -> None:
    """As `copy_rows`, in a transaction for each batch. Between two it rests for as long as one takes: who waits for
    SQLite's lock stands in no queue, but asks for it again and again, and would not meet so short a moment."""
    for records in _all(source):
        begun = monotonic()
        write(target, records)
        sleep(monotonic() - begun)


def settle(file: Path) -> StoreContent:
    """Make one whole file, which the disk has, of a database that nobody uses any more, and see that it is sound.

    Raises:
        StoreError: it is not.
    """
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        content = _inspected(connection, file)
    sync(file)
    return content


def _inspected(connection: sqlite3.Connection, file: Path) -> StoreContent:
    found = connection.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        raise StoreError(f"{file} is damaged: {found}")
    counts = (
        connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
        for table in ("eyas_predictions", "eyas_images", "eyas_feedback")
    )
    return StoreContent(*counts)


def _all(session: Session) -> Iterator[list[Record]]:
    """Labels come last and in the order of their times, so that outcomes are numbered as they were."""
    number = -1
    while rows := session.rows(PREDICTIONS, [number, ROWS_AT_ONCE]):
        number = rows[-1][0]
        yield [read_prediction(row[1:]) for row in rows]
    time, id_ = LONG_AGO, ""
    while rows := session.rows(IMAGES, [time, id_, IMAGES_AT_ONCE]):
        id_, time = rows[-1][:2]
        yield [Image(row[0], row[1], row[2], bytes(row[3])) for row in rows]
    time, id_ = LONG_AGO, ""
    while rows := session.rows(FEEDBACK, [time, id_, ROWS_AT_ONCE]):
        id_, time = rows[-1][0], rows[-1][2]
        yield [Feedback(*row) for row in rows]
