"""Counts over the tables: by time for a page, and of right and wrong answers by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eyas.core.errors import InputError
from eyas.monitor.store.engine import Engine
from eyas.monitor.store.filters import EVERYTHING, Filter

RIGHT = "COALESCE(SUM(CASE WHEN p.true_class = p.predicted THEN 1 ELSE 0 END), 0)"
BUCKETS = f"""
    SELECT {{bucket}}, COUNT(*), SUM(CASE WHEN p.needs_review THEN 1 ELSE 0 END),
        SUM(CASE WHEN p.unknown THEN 1 ELSE 0 END), COUNT(p.true_class), {RIGHT}, AVG(p.confidence)
    FROM eyas_predictions p WHERE {{clauses}} GROUP BY 1 ORDER BY 1 DESC LIMIT ?"""
LABELLED = "FROM eyas_predictions p WHERE p.true_class IS NOT NULL AND {clauses}"
BY_CLASS = f"SELECT p.true_class, COUNT(*), {RIGHT} {LABELLED} GROUP BY 1 ORDER BY 1"
CONFUSION = f"SELECT p.true_class, p.predicted, COUNT(*) {LABELLED} GROUP BY 1, 2 ORDER BY 1, 2"
TOTALS = """
    SELECT p.model, p.version, COUNT(*), MIN(p.time), MAX(p.time), SUM(CASE WHEN p.needs_review THEN 1 ELSE 0 END),
        SUM(CASE WHEN p.unknown THEN 1 ELSE 0 END)
    FROM eyas_predictions p WHERE {clauses} GROUP BY 1, 2 ORDER BY 1, 2"""


@dataclass(frozen=True)
class Bucket:
    """The predictions of one span of time."""

    start: float
    """Unix seconds, a multiple of the span."""
    predictions: int
    needs_review: int
    unknown: int
    labelled: int
    correct: int
    mean_confidence: float


@dataclass(frozen=True)
class VersionTotals:
    """All predictions of a version."""

    model: str
    version: str
    predictions: int
    first: float
    """Unix seconds, of the oldest."""
    last: float
    """Of the newest."""
    needs_review: int
    unknown: int


@dataclass(frozen=True)
class ClassAccuracy:
    """How many labelled predictions of images of a class were right."""

    true_class: int
    labelled: int
    correct: int


@dataclass(frozen=True)
class Confusion:
    """How often images of one class were taken for another."""

    true_class: int
    predicted: int
    count: int


def buckets(engine: Engine, seconds: float, where: Filter = EVERYTHING, most: int = 1000) -> tuple[Bucket, ...]:
    """The newest spans that hold predictions, oldest of them first.

    Args:
        seconds: the span, 3600 for an hour.
        most: how many.

    Raises:
        InputError: a span or number that is not above 0.
    """
    if not (seconds > 0 and most > 0):
        raise InputError(f"spans must be above 0 in seconds and number, got {seconds} and {most}")
    clauses, values = where.clauses()
    sql = BUCKETS.format(bucket=engine.dialect.bucket, clauses=clauses)
    with engine.reading() as session:
        found = session.rows(sql, [float(seconds), *values, most])
    return tuple(Bucket(row[0] * float(seconds), *row[1:]) for row in reversed(found))


def totals_by_version(engine: Engine, where: Filter = EVERYTHING) -> tuple[VersionTotals, ...]:
    """By model and version, all arms together; one without predictions is not there."""
    return tuple(VersionTotals(*row) for row in _counts(engine, TOTALS, where))


def accuracy_by_class(engine: Engine, where: Filter = EVERYTHING) -> tuple[ClassAccuracy, ...]:
    """By true class; one without labels is not there."""
    return tuple(ClassAccuracy(*row) for row in _counts(engine, BY_CLASS, where))


def confusion(engine: Engine, where: Filter = EVERYTHING) -> tuple[Confusion, ...]:
    """By true and predicted class; a pair that never was is not there."""
    return tuple(Confusion(*row) for row in _counts(engine, CONFUSION, where))


def _counts(engine: Engine, sql: str, where: Filter) -> list[tuple[Any, ...]]:
    clauses, values = where.clauses()
    with engine.reading() as session:
        return session.rows(sql.format(clauses=clauses), values)
