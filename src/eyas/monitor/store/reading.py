"""Predictions back from the tables: by id, page by page, and with their true labels as these come in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eyas.core.errors import InputError
from eyas.monitor.store.engine import Engine
from eyas.monitor.store.filters import EVERYTHING, Cursor, Filter
from eyas.monitor.store.rows import Feedback, Image, Prediction, read_prediction

MOST_ROWS = 10_000
PREDICTION = """p.id, p.time, p.model, p.version, p.arm, p.predicted, p.confidence, p.scores, p.needs_review, p.unknown,
    p.energy, p.distance, p.latency_ms"""
STORED = f"""
    SELECT p.number, f.true_class, f.time, f.source, EXISTS (SELECT 1 FROM eyas_images i WHERE i.id = p.id),
        {PREDICTION}
    FROM eyas_predictions p LEFT JOIN eyas_feedback f ON f.id = p.id"""
SCORED = """
    SELECT p.id, p.time, p.predicted, p.confidence, p.unknown, p.energy, p.distance, p.true_class
    FROM eyas_predictions p WHERE {clauses} ORDER BY p.time {order}, p.number {order} LIMIT ?"""
OUTCOMES = """
    SELECT p.outcome, p.id, p.predicted, p.true_class, p.confidence, p.model, p.version, p.arm, p.time
    FROM eyas_predictions p WHERE p.outcome > ? AND {clauses} ORDER BY p.outcome LIMIT ?"""


@dataclass(frozen=True)
class StoredPrediction:
    """A prediction with what has become known of it."""

    number: int
    """Of its row, which tells rows of one moment apart."""
    prediction: Prediction
    feedback: Feedback | None
    has_image: bool

    @property
    def correct(self) -> bool | None:
        """None without a label."""
        return None if self.feedback is None else self.feedback.true_class == self.prediction.predicted


@dataclass(frozen=True)
class Page:
    """Rows, newest first."""

    rows: tuple[StoredPrediction, ...]
    older: Cursor | None
    """For the next page; None where this is the last."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What a prediction was judged by, without its probabilities: many of them fit into the memory."""

    id: str
    time: float
    """Unix seconds."""
    predicted: int
    confidence: float
    unknown: bool
    energy: float | None
    distance: float | None
    true_class: int | None


@dataclass(frozen=True)
class Outcome:
    """A prediction that has met its true label."""

    number: int
    """Rises in the order in which labels came to predictions: the cursor of who follows them."""
    id: str
    predicted: int
    true_class: int
    confidence: float
    model: str
    version: str
    arm: str
    time: float
    """Of the prediction, unix seconds."""

    @property
    def correct(self) -> bool:
        """Whether the prediction was right."""
        return self.predicted == self.true_class


def by_id(engine: Engine, id_: str) -> tuple[StoredPrediction, ...]:
    """All answers to an image: the one that was given first, then a shadow's."""
    sql = f"{STORED} WHERE p.id = ? ORDER BY CASE WHEN p.arm = 'shadow' THEN 1 ELSE 0 END, p.number"
    with engine.reading() as session:
        return tuple(_stored(row) for row in session.rows(sql, [id_]))


def image(engine: Engine, id_: str) -> Image | None:
    """The image of an id, where one is kept."""
    with engine.reading() as session:
        found = session.rows("SELECT id, time, media_type, content FROM eyas_images WHERE id = ?", [id_])
    if not found:
        return None
    _, time, media_type, content = found[0]
    return Image(id_, time, media_type, bytes(content))


def recent(engine: Engine, most: int, where: Filter = EVERYTHING, older: Cursor | None = None) -> Page:
    """The newest rows by time, or those behind a page's last.

    Raises:
        InputError: `most` is not in [1, 10000].
    """
    _require_count(most)
    clauses, values = where.clauses()
    if older:
        clauses, values = f"{clauses} AND (p.time, p.number) < (?, ?)", [*values, older.time, older.number]
    sql = f"{STORED} WHERE {clauses} ORDER BY p.time DESC, p.number DESC LIMIT ?"
    with engine.reading() as session:
        found = [_stored(row) for row in session.rows(sql, [*values, most + 1])]
    rows = tuple(found[:most])
    last = Cursor(rows[-1].prediction.time, rows[-1].number) if len(found) > most else None
    return Page(rows, last)


def scored(engine: Engine, most: int, where: Filter = EVERYTHING, *, newest: bool = True) -> tuple[Scored, ...]:
    """The newest rows by time, newest first, or the oldest, oldest first.

    Raises:
        InputError: `most` is not in [1, 10000].
    """
    _require_count(most)
    clauses, values = where.clauses()
    sql = SCORED.format(clauses=clauses, order="DESC" if newest else "ASC")
    with engine.reading() as session:
        found = session.rows(sql, [*values, most])
    return tuple(_scored(row) for row in found)


def outcomes(engine: Engine, where: Filter = EVERYTHING, after: int = 0, most: int = 1000) -> tuple[Outcome, ...]:
    """Predictions with their labels, in the order in which the two met, behind the outcome number `after`.

    One whose label is corrected comes again under a new number, and under the old one no more.

    Raises:
        InputError: `most` is not in [1, 10000].
    """
    _require_count(most)
    clauses, values = where.clauses()
    with engine.reading() as session:
        return tuple(Outcome(*row) for row in session.rows(OUTCOMES.format(clauses=clauses), [after, *values, most]))


def last_outcome(engine: Engine) -> int:
    """The number of the outcome that was given last; 0 before the first."""
    with engine.reading() as session:
        number: int = session.rows("SELECT value FROM eyas_store WHERE name = 'outcomes'")[0][0]
    return number


def _stored(row: tuple[Any, ...]) -> StoredPrediction:
    number, true_class, time, source, has_image, *values = row
    prediction = read_prediction(tuple(values))
    feedback = None if true_class is None else Feedback(prediction.id, true_class, time, source)
    return StoredPrediction(number, prediction, feedback, bool(has_image))


def _scored(row: tuple[Any, ...]) -> Scored:
    """SQLite has 0 and 1 for booleans."""
    id_, time, predicted, confidence, unknown, energy, distance, true_class = row
    return Scored(id_, time, predicted, confidence, bool(unknown), energy, distance, true_class)


def _require_count(most: int) -> None:
    if not 1 <= most <= MOST_ROWS:
        raise InputError(f"the number of rows must be in [1, {MOST_ROWS}], got {most}")
