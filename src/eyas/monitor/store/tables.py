"""The tables of the store, alike in both databases, and the number of their form."""

from __future__ import annotations

from eyas.core.errors import StoreError
from eyas.monitor.store.engine import Dialect, Session

SCHEMA = 1
"""Raised by one with every change of the tables."""

TABLES = (
    "CREATE TABLE eyas_store (name TEXT PRIMARY KEY, value BIGINT NOT NULL)",
    """CREATE TABLE eyas_predictions (
        number {number},
        id TEXT NOT NULL,
        time DOUBLE PRECISION NOT NULL,
        model TEXT NOT NULL,
        version TEXT NOT NULL,
        arm TEXT NOT NULL,
        predicted INTEGER NOT NULL,
        confidence DOUBLE PRECISION NOT NULL,
        scores {content} NOT NULL,
        needs_review BOOLEAN NOT NULL,
        unknown BOOLEAN NOT NULL,
        energy DOUBLE PRECISION,
        distance DOUBLE PRECISION,
        latency_ms DOUBLE PRECISION NOT NULL,
        true_class INTEGER,
        outcome BIGINT,
        UNIQUE (id, arm, version)
    )""",
    """CREATE TABLE eyas_feedback (
        id TEXT PRIMARY KEY,
        true_class INTEGER NOT NULL,
        time DOUBLE PRECISION NOT NULL,
        source TEXT NOT NULL
    )""",
    """CREATE TABLE eyas_images (
        id TEXT PRIMARY KEY,
        time DOUBLE PRECISION NOT NULL,
        media_type TEXT NOT NULL,
        content {content} NOT NULL
    )""",
    "CREATE INDEX eyas_by_time ON eyas_predictions (time, number)",
    "CREATE INDEX eyas_by_version ON eyas_predictions (version, time, number)",
    "CREATE INDEX eyas_by_class ON eyas_predictions (predicted, time, number)",
    "CREATE INDEX eyas_to_review ON eyas_predictions (time, number) WHERE needs_review",
    "CREATE INDEX eyas_unknown ON eyas_predictions (time, number) WHERE unknown",
    "CREATE INDEX eyas_labelled ON eyas_predictions (time, number) WHERE true_class IS NOT NULL",
    "CREATE INDEX eyas_outcomes ON eyas_predictions (version, outcome) WHERE outcome IS NOT NULL",
    "CREATE INDEX eyas_feedback_by_time ON eyas_feedback (time)",
    "CREATE INDEX eyas_images_by_time ON eyas_images (time)",
    f"INSERT INTO eyas_store VALUES ('schema', {SCHEMA}), ('outcomes', 0)",
)
"""`true_class` of a prediction repeats its feedback, and `outcome` numbers when the two met, or the feedback changed:
what follows new outcomes needs one index and no join."""


def has_tables(session: Session, dialect: Dialect, where: str) -> bool:
    """Whether the tables are there.

    Raises:
        StoreError: they have another form.
    """
    if not session.rows(dialect.has_tables):
        return False
    found = session.rows("SELECT value FROM eyas_store WHERE name = 'schema'")
    version = found[0][0] if found else None
    if version != SCHEMA:
        age = "a newer" if version and version > SCHEMA else "an older"
        raise StoreError(f"{where} must have schema {SCHEMA}, got {version}: {age} eyas wrote it")
    return True


def make_tables(session: Session, dialect: Dialect, where: str) -> None:
    """Make the tables, unless another process has meanwhile. Within a transaction for writing."""
    if not has_tables(session, dialect, where):
        for command in TABLES:
            session.run(command.format(number=dialect.number, content=dialect.content))
