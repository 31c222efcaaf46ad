"""Many images in one request, answered line by line while they are predicted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from functools import partial
from itertools import islice
from time import perf_counter

import msgspec

from eyas.core.errors import InputError
from eyas.infer import Prediction
from eyas.serve.dealing import Route
from eyas.serve.endpoints.which import WHICH, which
from eyas.serve.http import PREDICT_ERRORS, Answer, Endpoint, Problem, Request
from eyas.serve.http.problems import from_exception, unexpected
from eyas.serve.model import Model
from eyas.serve.protocols.instances import Coded, decode_file
from eyas.serve.reading import BodyReader, JsonReader, Reading
from eyas.serve.reading.bodies import MULTIPART
from eyas.serve.reading.forms import read_form
from eyas.serve.reading.json_text import decode
from eyas.serve.request_schemas import FORM
from eyas.serve.schemas import Row
from eyas.serve.service import Service

NDJSON = "application/x-ndjson"
TAKEN = (NDJSON, MULTIPART)
FORM_SECONDS_PER_BYTE = 10e-9
BACK_OFF = 0.05  # seconds, where the service is full: a batch gives way to single requests
log = logging.getLogger("eyas.serve")


class BatchRow(Row):
    """The answer for one image."""

    image: int = 0
    """Its place in the request, from 0."""


class BatchFault(msgspec.Struct, omit_defaults=True):
    """In place of an answer, for an image that cannot be read."""

    error: str
    status: int
    """What the image would have been answered with alone."""
    image: int
    pointer: str | None = None


class Line(msgspec.Struct):
    """A line with an image file."""

    b64: str | None = None
    image_bytes: Coded | None = None


_line = msgspec.json.Decoder(Line)
_schemas, _components = msgspec.json.schema_components([BatchRow, BatchFault], ref_template="{name}")
ANSWERS = {
    NDJSON: {
        "schema": {
            "type": "array",
            "description": "One object a line, an image a line, in order.",
            "items": {"oneOf": [_components["BatchRow"], _components["BatchFault"]]},
        }
    }
}
ELSE = "Anything else is answered by a line that says what is wrong with it."
BODY = {
    NDJSON: {
        "schema": {
            "type": "array",
            "minItems": 1,
            "items": {},
            "description": 'One image a line: {"data": …, "range": …} as for /predict, or {"b64": "…"}. ' + ELSE,
        }
    },
    MULTIPART: {"schema": {"type": "object", "minProperties": 1, "description": f"{FORM['description']} {ELSE}"}},
}


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """The one endpoint."""

    async def batch(request: Request) -> Answer:
        route = service.route(request, *which(request))
        request.require_type(*TAKEN)
        readings = await _readings(service, route.model, request)
        return Answer(media_type=NDJSON, pieces=_answers(service, route, readings, request))

    return (
        Endpoint(
            "POST",
            "/predict/batch",
            "Classify many images; the answers come as a stream, one line an image.",
            batch,
            answers=ANSWERS,
            errors=PREDICT_ERRORS,
            body=BODY,
            query=WHICH,
            scope="predict",
        ),
    )


async def _readings(service: Service, model: Model, request: Request) -> Iterator[Callable[[], Reading]]:
    """One image after the other, each yet to be looked at: what is wrong with it is told in its own line."""
    body, most, reader = await request.body(), service.config.max_batch_images, service.reader(model)
    if request.media_type == MULTIPART:
        content_type = request.header("content-type")
        seconds = len(body) * FORM_SECONDS_PER_BYTE
        parts = await service.lane.run(seconds, lambda: read_form(body, content_type, most), request.until, model.named)
        return (partial(reader.file, content) for _, content in parts)
    if (count := body.count(b"\n") + (not body.endswith(b"\n"))) > most:
        raise InputError(f"the body must hold at most {most} lines, got {count}")
    if not body.strip():
        raise InputError("the body must hold at least one line, got none")
    return (partial(_read_line, line, reader) for line in _lines(body))


def _lines(body: bytes) -> Iterator[bytes]:
    """Lines that hold something, without a copy of them all."""
    start = 0
    while start < len(body):
        end = body.find(b"\n", start)
        end = len(body) if end < 0 else end
        if line := body[start:end].strip():
            yield line
        start = end + 1


def _read_line(line: bytes, reader: BodyReader) -> Reading:
    if b'"b64"' in line[:100]:
        return reader.file(_file_in(line))
    pixels = JsonReader(reader.policy, max_images=1)
    return reader.numbers(len(line), lambda: pixels.read(line), images=1)


def _file_in(line: bytes) -> bytes:
    found = decode(_line, line, "the line is no image", "the line")
    if found.image_bytes is not None:
        return decode_file(found.image_bytes.b64, "/image_bytes/b64")
    return decode_file(found.b64 or "", "/b64")


async def _answers(
    service: Service, route: Route, readings: Iterator[Callable[[], Reading]], request: Request
) -> AsyncGenerator[bytes, None]:
    """Lines, as many at a time as the model predicts together."""
    left = asyncio.create_task(request.left())
    try:
        numbered = enumerate(readings)
        while group := list(islice(numbered, route.model.batch)):
            lines = await asyncio.gather(
                *(_answer(service, route._replace(id=f"{route.id}-{n}"), n, read, request.id) for n, read in group)
            )
            if left.done():
                return
            yield b"".join(lines)
    finally:
        left.cancel()


async def _answer(service: Service, route: Route, image: int, read: Callable[[], Reading], request_id: str) -> bytes:
    def tell(prediction: Prediction) -> BatchRow:
        row = route.model.rows(prediction)[0]
        return BatchRow(**msgspec.structs.asdict(row), image=image)

    try:
        answer: BatchRow | BatchFault = await _patiently(service, route, read(), tell)
    except Exception as error:  # noqa: BLE001  (one image's fault is one line's)
        answer = _fault(error, image, request_id)
    return msgspec.json.encode(answer) + b"\n"


async def _patiently(
    service: Service, route: Route, reading: Reading, tell: Callable[[Prediction], BatchRow]
) -> BatchRow:
    """The answer, asked for again while the service is full. Each image has the time that a request has."""
    until = perf_counter() + service.config.timeout_seconds
    while True:
        try:
            return await service.predict(route, reading, tell, until)
        except Problem as problem:
            if problem.status != 503 or perf_counter() > until:
                raise
        await asyncio.sleep(BACK_OFF)


def _fault(error: Exception, image: int, request_id: str) -> BatchFault:
    problem = from_exception(error)
    if problem is None:
        log.error("request %s, image %d failed", request_id, image, exc_info=error)
        problem = unexpected(request_id)
    return BatchFault(problem.detail, problem.status, image, problem.pointer)
