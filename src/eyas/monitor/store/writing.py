"""Records into the tables, and true labels to the predictions that they are about, whichever of the two came first."""

from __future__ import annotations

from collections.abc import Sequence

from eyas.core.errors import InputError
from eyas.monitor.store.engine import Engine, Session
from eyas.monitor.store.rows import (
    Feedback,
    Image,
    Prediction,
    Record,
    feedback_values,
    image_values,
    prediction_values,
)

_Values = tuple[list[tuple[object, ...]], list[tuple[object, ...]], list[tuple[object, ...]]]
"""Of predictions, images and feedback, as the databases take them."""
IDS_AT_ONCE = 500
ADD_PREDICTION = """
    INSERT INTO eyas_predictions (id, time, model, version, arm, predicted, confidence, scores, needs_review, unknown,
        energy, distance, latency_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING"""
ADD_IMAGE = "INSERT INTO eyas_images (id, time, media_type, content) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
ADD_FEEDBACK = """
    INSERT INTO eyas_feedback (id, true_class, time, source) VALUES (?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET true_class = excluded.true_class, time = excluded.time, source = excluded.source
    WHERE excluded.time >= eyas_feedback.time"""
LABEL_CHANGES = """
    SELECT p.id, p.number, f.true_class FROM eyas_feedback f JOIN eyas_predictions p ON p.id = f.id
    WHERE f.id IN ({ids}) AND (p.true_class IS NULL OR p.true_class <> f.true_class)"""
TAKE_NUMBERS = "UPDATE eyas_store SET value = value + ? WHERE name = 'outcomes' RETURNING value"
SET_LABEL = "UPDATE eyas_predictions SET true_class = ?, outcome = ? WHERE number = ?"


def write(engine: Engine, records: Sequence[Record]) -> None:
    """Keep all of the records, or none. One that is there already changes nothing.

    Raises:
        InputError: one of them breaks a rule.
        RefusedRowError: the database refuses one of them.
        StoreError: the database cannot be used.
    """
    values = _values(records)
    with engine.writing() as session:
        _add(session, values, _labelled(records))


def add(session: Session, records: Sequence[Record]) -> None:
    """As `write`, within a transaction for writing."""
    _add(session, _values(records), _labelled(records))


def _values(records: Sequence[Record]) -> _Values:
    predictions: list[tuple[object, ...]] = []
    images: list[tuple[object, ...]] = []
    feedback: list[tuple[object, ...]] = []
    for record in records:
        if isinstance(record, Prediction):
            predictions.append(prediction_values(record))
        elif isinstance(record, Image):
            images.append(image_values(record))
        elif isinstance(record, Feedback):
            feedback.append(feedback_values(record))
        else:
            raise InputError(f"a record must be a prediction, an image or feedback, got {type(record).__name__}")
    return predictions, images, feedback


def _labelled(records: Sequence[Record]) -> list[str]:
    """The ids that a label may meet a prediction under."""
    return list(dict.fromkeys(row.id for row in records if not isinstance(row, Image)))


def _add(session: Session, values: _Values, ids: list[str]) -> None:
    for command, rows in zip((ADD_PREDICTION, ADD_IMAGE, ADD_FEEDBACK), values, strict=True):
        session.run_each(command, rows)
    _pass_labels_on(session, ids)


def _pass_labels_on(session: Session, ids: list[str]) -> None:
    """To the predictions among these ids that have another label or none, numbered in the order of the ids."""
    changes: list[tuple[str, int, int]] = []
    for start in range(0, len(ids), IDS_AT_ONCE):
        part = ids[start : start + IDS_AT_ONCE]
        changes += session.rows(LABEL_CHANGES.format(ids=", ".join("?" * len(part))), part)
    if not changes:
        return
    place = {id_: index for index, id_ in enumerate(ids)}
    changes.sort(key=lambda change: (place[change[0]], change[1]))
    last = session.rows(TAKE_NUMBERS, [len(changes)])[0][0]
    first = last - len(changes) + 1
    session.run_each(SET_LABEL, [(true, first + n, number) for n, (_, number, true) in enumerate(changes)])
