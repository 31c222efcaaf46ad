"""What images truly show, told after they were predicted."""

from __future__ import annotations

import asyncio
from time import time
from typing import Any

import msgspec

from eyas.core.errors import InputError, StoreError
from eyas.monitor.store import Feedback, PredictionStore
from eyas.serve.endpoints.classes import class_index
from eyas.serve.endpoints.which import WHICH, which
from eyas.serve.http import JSON, Answer, Endpoint, Problem, Request, json_answer
from eyas.serve.reading.json_text import decode
from eyas.serve.service import Service

MOST = 1000  # labels in one request
ERRORS = (400, 404, 408, 413, 415, 422, 500, 503)


class Label(msgspec.Struct, forbid_unknown_fields=True):
    """What one image truly shows."""

    id: str
    """Of the prediction: the answer's `id` or X-Prediction-Id; with several images, `ID-0`, `ID-1`, …"""
    label: str | int
    """Name of the true class, or its index."""


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    id: str | None = None
    label: str | int | None = None
    feedback: list[Label] | None = None


class Received(msgspec.Struct):
    """They are kept; where a prediction is not known yet, until it is."""

    received: int


_LABEL: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {
            "type": "string",
            "minLength": 1,
            "description": "Of the prediction; of several images, `ID-0`, `ID-1`, …",
        },
        "label": {"type": ["string", "integer"], "minimum": 0, "description": "Name or index of the true class."},
    },
    "required": ["id", "label"],
    "additionalProperties": False,
}
_LABELS: dict[str, Any] = {
    "type": "object",
    "properties": {"feedback": {"type": "array", "items": _LABEL, "minItems": 1, "maxItems": MOST}},
    "required": ["feedback"],
    "additionalProperties": False,
}
BODY = {JSON: {"schema": {"anyOf": [_LABEL, _LABELS]}}}
_decoder = msgspec.json.Decoder(_Body)


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """None, where there is no prediction store."""
    if (store := service.store) is None:
        return ()

    async def feedback(request: Request) -> Answer:
        model = service.find(request, *which(request))
        request.require_type(JSON)
        labels = _labels(await request.body())
        source, now = request.subject or "", time()
        records = [Feedback(one.id, class_index(one.label, model.bundle.classes), now, source) for one in labels]
        await asyncio.to_thread(_write, store, records)
        return json_answer(Received(len(records)))

    return (
        Endpoint(
            "POST",
            "/feedback",
            "Tell what an image truly shows; the accuracy of the version that answered is told by /monitor.",
            feedback,
            Received,
            errors=ERRORS,
            body=BODY,
            query=WHICH,
            scope="feedback",
        ),
    )


def _labels(body: bytes) -> list[Label]:
    rule = 'the body must be {"id": …, "label": …}, or {"feedback": [those]}'
    told = decode(_decoder, body, rule)
    alone = told.id is not None and told.label is not None
    if alone == (told.feedback is not None) or (
        told.feedback is not None and not (told.id is None and told.label is None)
    ):
        raise InputError(f"{rule}, got {'both' if alone else 'neither'}")
    labels = (
        [Label(told.id or "", "" if told.label is None else told.label)] if told.feedback is None else told.feedback
    )
    if not 1 <= len(labels) <= MOST:
        raise InputError(f"feedback must hold 1 to {MOST} labels, got {len(labels)}")
    return labels


def _write(store: PredictionStore, records: list[Feedback]) -> None:
    try:
        store.write(records)
    except StoreError as error:
        raise Problem(503, f"the label cannot be kept now: {error}", headers={"Retry-After": "5"}) from error
