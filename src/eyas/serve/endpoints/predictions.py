"""Predictions that are kept, their images, and which classes were taken for which: for who looks after the model.

Images may show people: without authentication these answer the machine alone that the service runs on.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from eyas.core.errors import InputError, StoreError
from eyas.image import PNG
from eyas.monitor.store import Cursor, Filter, PredictionStore, StoredPrediction
from eyas.monitor.store.rows import MOST_CHARACTERS
from eyas.serve.endpoints.classes import class_index
from eyas.serve.endpoints.which import WHICH, which
from eyas.serve.http import Answer, Endpoint, Problem, Request, json_answer
from eyas.serve.model import Model
from eyas.serve.service import Service
from eyas.serve.trust.near import require_near

MOST, USUAL = 100, 24
ERRORS = (403, 404, 422, 500, 503)
CURSOR = r"^([0-9]{1,12}([.][0-9]{1,9})?:[0-9]{1,18})?$"
SAID = {"true": True, "false": False}
T = TypeVar("T")
EITHER = {"type": "string", "enum": [*SAID]}
QUERY = WHICH | {
    "predicted": "Name or index of the class that was predicted.",
    "true": "Name or index of the class that a label has told.",
    "correct": EITHER | {"description": "Those whose label says that they were right, or wrong."},
    "needs_review": EITHER | {"description": "Those that a person should look at, or the others."},
    "unknown": EITHER | {"description": "Those like no held-out image, or the others."},
    "id": f"Only these, separated by commas; at most {MOST}, and nothing else of the query but the model counts.",
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "description": f"How many; {USUAL} unless said."},
    "older": {"type": "string", "pattern": CURSOR, "description": "What the page before gave under `older`."},
}


class KeptPrediction(msgspec.Struct):
    """A prediction, and what has become known of it."""

    id: str
    time: float
    """Seconds since 1970."""
    arm: str
    """`champion`, `challenger` or `shadow`."""
    predicted: int
    """Index of the class."""
    label: str
    """Its name."""
    confidence: float
    needs_review: bool
    unknown: bool
    true_class: int | None
    """Index of the class that a label has told."""
    true_label: str | None
    """Its name."""
    has_image: bool
    """/predictions/{id}/image gives it."""


class KeptPredictions(msgspec.Struct):
    """Of one version, the newest first."""

    model: str
    version: str
    predictions: list[KeptPrediction]
    older: str | None
    """For the next page; `null` where this is the last."""


class KeptConfusion(msgspec.Struct):
    """Of one version's predictions, as far as labels have come."""

    model: str
    version: str
    confusion: list[list[int]]
    """Each three numbers: true class, predicted class, predictions; pairs that never were are not there."""


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """None, where there is no prediction store."""
    if (store := service.store) is None:
        return ()

    async def kept(request: Request) -> Answer:
        query, model = request.query, service.models.find(*which(request))
        limit, where, older = _limit(query), _filter(query, model), _older(query)
        if names := query.get("id", ""):
            rows, rest = await _ask(lambda: _named(store, names.split(","), model)), None
        else:
            page = await _ask(lambda: store.recent(limit, where, older))
            rows, rest = page.rows, page.older
        told = [_told(row, model.bundle.classes) for row in rows]
        return json_answer(KeptPredictions(model.name, model.version, told, str(rest) if rest else None))

    async def confusion(request: Request) -> Answer:
        model = service.models.find(*which(request))
        found = await _ask(lambda: store.confusion(Filter(model.name, model.version)))
        pairs = [[one.true_class, one.predicted, one.count] for one in found]
        return json_answer(KeptConfusion(model.name, model.version, pairs))

    async def image(request: Request) -> Answer:
        name = request.params["id"]
        found = await _ask(lambda: store.image(name)) if _is_id(name) else None
        if found is None:
            raise Problem(404, f"no image of {name[:80]} is kept (serve.monitor.keep_images)")
        return Answer(
            found.content, media_type=found.media_type if found.media_type == PNG else "application/octet-stream"
        )

    def made(path: str, summary: str, handler: Callable[[Request], Awaitable[Answer]], **more: Any) -> Endpoint:
        return Endpoint("GET", path, summary, _near(handler), errors=ERRORS, scope="admin", **more)

    return (
        made("/predictions", "What was predicted lately?", kept, answer=KeptPredictions, query=QUERY),
        made(
            "/predictions/confusion",
            "Which classes were which taken for?",
            confusion,
            answer=KeptConfusion,
            query=WHICH,
        ),
        made("/predictions/{id}/image", "The image of a prediction, where it is kept.", image, answers={PNG: {}}),
    )


def _near(handler: Callable[[Request], Awaitable[Answer]]) -> Callable[[Request], Awaitable[Answer]]:
    async def guarded(request: Request) -> Answer:
        require_near(request)
        return await handler(request)

    return guarded


async def _ask(question: Callable[[], T]) -> T:
    """In a thread: a database may take its time.

    Raises:
        Problem: 503, it cannot be read.
    """
    try:
        return await asyncio.to_thread(question)
    except StoreError as error:
        raise Problem(503, f"the predictions cannot be read now: {error}", headers={"Retry-After": "5"}) from error


def _named(store: PredictionStore, names: list[str], model: Model) -> tuple[StoredPrediction, ...]:
    if len(names) > MOST:
        raise InputError(f"id must name at most {MOST} predictions, got {len(names)}")
    who = model.name, model.version
    found = (row for name in filter(_is_id, names) for row in store.by_id(name))
    return tuple(row for row in found if (row.prediction.model, row.prediction.version) == who)


def _told(row: StoredPrediction, classes: tuple[str, ...]) -> KeptPrediction:
    one, true = row.prediction, row.feedback.true_class if row.feedback else None
    return KeptPrediction(
        one.id,
        one.time,
        one.arm,
        one.predicted,
        _name(one.predicted, classes),
        one.confidence,
        one.needs_review,
        one.unknown,
        true,
        None if true is None else _name(true, classes),
        row.has_image,
    )


def _name(index: int, classes: tuple[str, ...]) -> str:
    """Of a class; a row may be of a time when the version had other classes."""
    return classes[index] if index < len(classes) else str(index)


def _filter(query: Mapping[str, str], model: Model) -> Filter:
    return Filter(
        model.name,
        model.version,
        predicted=_class(query, "predicted", model.bundle.classes),
        true_class=_class(query, "true", model.bundle.classes),
        correct=_said(query, "correct"),
        needs_review=_said(query, "needs_review"),
        unknown=_said(query, "unknown"),
    )


def _class(query: Mapping[str, str], name: str, classes: tuple[str, ...]) -> int | None:
    if name not in query:
        return None
    try:
        return class_index(query[name], classes, name)
    except InputError as error:  # as for a model: what is well said, and is not there
        raise Problem(404, str(error)) from error


def _said(query: Mapping[str, str], name: str) -> bool | None:
    if name not in query:
        return None
    if query[name] not in SAID:
        raise InputError(f"{name} must be true or false, got {query[name][:80]!r}")
    return SAID[query[name]]


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(USUAL))
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MOST):
        raise InputError(f"limit must be a number from 1 to {MOST}, got {text[:80]!r}")
    return int(text)


def _older(query: Mapping[str, str]) -> Cursor | None:
    if not query.get("older"):
        return None
    if not re.fullmatch(CURSOR, query["older"], re.ASCII):
        raise InputError(f"older must be what the page before gave, got {query['older'][:80]!r}")
    return Cursor.parse(query["older"])


def _is_id(name: str) -> bool:
    """Whether the store could have a row of that id."""
    return 0 < len(name) <= MOST_CHARACTERS and name.isprintable()
