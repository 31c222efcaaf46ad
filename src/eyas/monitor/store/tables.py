"""The tables of the store, alike in both databases, and how older ones become these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eyas.core.errors import StoreError
from eyas.monitor.store.engine import Dialect, Session

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
)
"""`true_class` of a prediction repeats its feedback, and `outcome` numbers when the two met, or the feedback changed:
what follows new outcomes needs one index and no join."""
ADD_NUMBERS = "INSERT INTO eyas_store VALUES ('schema', ?), ('outcomes', 0)"
SET_SCHEMA = "UPDATE eyas_store SET value = ? WHERE name = 'schema'"


@dataclass(frozen=True)
class Schema:
    """A form of the tables."""

    number: int
    """Raised by one with every change of the tables."""
    tables: tuple[str, ...]
    """Commands that make them where there are none."""
    steps: Mapping[int, tuple[str, ...]]
    """Commands that bring tables of a number to the next one. They add and take nothing away: while a fleet is
    upgraded, an older eyas that has the database open goes on with it."""


SCHEMA = Schema(1, TABLES, {})


def is_current(session: Session, dialect: Dialect, schema: Schema, where: str) -> bool:
    """Whether the tables are there, in this form.

    Raises:
        StoreError: they have a newer form.
    """
    found = _number(session, dialect)
    if found is not None and found > schema.number:
        raise StoreError(
            f"{where} must have schema {schema.number} or an older one, got {found}: a newer eyas wrote it; "
            "pip install --upgrade eyas, or name another store"
        )
    return found == schema.number


def make_tables(session: Session, dialect: Dialect, schema: Schema, where: str) -> None:
    """Make the tables, or bring older ones to this form, unless another process has meanwhile.

    Within a transaction for writing: all of it is done, or nothing.

    Raises:
        StoreError: they have a newer form, or one that no step leads on from.
    """
    if is_current(session, dialect, schema, where):
        return
    found = _number(session, dialect)
    if found is None:
        _run(session, dialect, schema.tables)
        session.run(ADD_NUMBERS, [schema.number])
        return
    for number in range(found, schema.number):
        if number not in schema.steps:
            raise StoreError(
                f"{where} must have schema {min(schema.steps, default=schema.number)} or a newer one, got {found}: "
                "no eyas that was released wrote it; name another store"
            )
        _run(session, dialect, schema.steps[number])
    session.run(SET_SCHEMA, [schema.number])


def _number(session: Session, dialect: Dialect) -> int | None:
    """None where there are no tables; 0 where they do not say."""
    if not session.rows(dialect.has_tables):
        return None
    found = session.rows("SELECT value FROM eyas_store WHERE name = 'schema'")
    return int(found[0][0]) if found else 0


def _run(session: Session, dialect: Dialect, commands: tuple[str, ...]) -> None:
    for command in commands:
        session.run(command.format(number=dialect.number, content=dialect.content))
