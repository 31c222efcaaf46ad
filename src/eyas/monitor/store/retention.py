"""What is old goes, a little at a time, so that no writer waits for long."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event
from time import monotonic

from eyas.core.errors import ConfigError
from eyas.monitor.store.engine import Engine

DAY = 86_400.0
ROWS_AT_ONCE, IMAGES_AT_ONCE = 500, 50
LEAST_PAUSE_SECONDS = 0.01
"""Between two steps; longer ones are followed by as much, so that writers have half of the time at least."""
OLD_IMAGES = "DELETE FROM eyas_images WHERE id IN (SELECT id FROM eyas_images WHERE time < ? ORDER BY time LIMIT ?)"
OLD_PREDICTIONS = """
    DELETE FROM eyas_predictions WHERE number IN
        (SELECT number FROM eyas_predictions WHERE time < ? ORDER BY time LIMIT ?)"""
OLD_FEEDBACK = """
    DELETE FROM eyas_feedback WHERE id IN (
        SELECT f.id FROM eyas_feedback f
        WHERE f.time < ? AND NOT EXISTS (SELECT 1 FROM eyas_predictions p WHERE p.id = f.id)
        ORDER BY f.time LIMIT ?)"""


@dataclass(frozen=True)
class Retention:
    """How long rows stay.

    Args:
        days: for predictions, and for feedback that has no prediction.
        image_days: for images, at most `days`; None for as long as their predictions.

    Raises:
        ConfigError: not above 0, or images that outlive their predictions.
    """

    days: float
    image_days: float | None = None

    def __post_init__(self) -> None:
        if not self.days > 0:
            raise ConfigError(f"retention days must be above 0, got {self.days}")
        if self.image_days is not None and not 0 < self.image_days <= self.days:
            raise ConfigError(f"retention image_days must be in (0, {self.days}], got {self.image_days}")


@dataclass(frozen=True)
class Removed:
    """Rows that a sweep took away."""

    predictions: int
    images: int
    feedback: int


def sweep(engine: Engine, retention: Retention, now: float, stop: Event | None = None) -> Removed:
    """Remove what is older than it may be, then give room back to the disk where there is much.

    Args:
        now: unix seconds.
        stop: set by another thread, ends it after the step under way.
    """
    stop = stop or Event()
    rows_end = now - DAY * retention.days
    images_end = now - DAY * (retention.image_days or retention.days)
    images = _remove(engine, OLD_IMAGES, images_end, IMAGES_AT_ONCE, stop)
    predictions = _remove(engine, OLD_PREDICTIONS, rows_end, ROWS_AT_ONCE, stop)
    feedback = _remove(engine, OLD_FEEDBACK, rows_end, ROWS_AT_ONCE, stop)
    more = True
    while more and not stop.is_set():
        began = monotonic()
        more = engine.shrink()
        if more:
            _let_writers_in(began, stop)
    return Removed(predictions, images, feedback)


def _remove(engine: Engine, sql: str, end: float, at_once: int, stop: Event) -> int:
    removed, step = 0, at_once
    while step == at_once and not stop.is_set():
        began = monotonic()
        with engine.writing() as session:
            step = session.run(sql, [end, at_once])
        removed += step
        if step == at_once:
            _let_writers_in(began, stop)
    return removed


def _let_writers_in(began: float, stop: Event) -> None:
    stop.wait(max(LEAST_PAUSE_SECONDS, monotonic() - began))
