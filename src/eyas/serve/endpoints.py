"""The endpoints, once: the routes, the OpenAPI document and /docs are all made from this table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from eyas.core.machine import usable_cores
from eyas.serve.bodies import JSON, BodyReader
from eyas.serve.schemas import Alive, Answer, Health, ModelInfo, Ready
from eyas.serve.service import Service, encode

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Endpoint:
    """One path and method, and what is said of it."""

    method: str
    path: str
    summary: str
    answer: type[msgspec.Struct]
    handler: Handler
    errors: tuple[int, ...] = (500, 503)
    body: dict[str, Any] = field(default_factory=dict)
    """OpenAPI's `content` of the request, where it has a body."""


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """Every documented endpoint."""
    return (
        Endpoint(
            "GET", "/health", "Is the service healthy, and which version is it?", Health, _fixed(service.health())
        ),
        Endpoint("GET", "/livez", "Does the process answer?", Alive, _fixed(Alive()), errors=(500,)),
        Endpoint("GET", "/readyz", "Is the model ready to predict?", Ready, _fixed(Ready())),
        Endpoint("GET", "/model-info", "What is the model?", ModelInfo, _fixed(service.info)),
        Endpoint(
            "POST",
            "/predict",
            "Classify one or many images.",
            Answer,
            _predict(service),
            errors=(400, 413, 415, 422, 500, 503),
            body=_predict_body(service),
        ),
    )


def _fixed(value: msgspec.Struct) -> Handler:
    """An answer that never changes while the service runs."""
    body = encode(value)

    async def handler(request: Request) -> Response:
        return Response(body, media_type=JSON)

    return handler


def _predict(service: Service) -> Handler:
    reader = BodyReader(service.bundle.policy, service.config)
    # More requests at once than cores would only make each of them slower.
    limiter = anyio.CapacityLimiter(usable_cores())

    async def predict(request: Request) -> Response:
        decode = await reader.read(request)
        body = await anyio.to_thread.run_sync(lambda: encode(service.answer(decode())), limiter=limiter)
        return Response(body, media_type=JSON)

    return predict


def _predict_body(service: Service) -> dict[str, Any]:
    """The request bodies that `eyas.serve.bodies` reads."""
    shape = " × ".join(map(str, service.bundle.policy.shape))
    data = {
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "array"}]},
        "description": f"Pixels, in lists nested 1 to 4 deep: one image or many, flat or not. The model takes {shape} "
        "(height × width × channels) and other sizes are brought to it.",
    }
    scale = {"enum": [1, 255], "default": 1, "description": "The value that stands for white: 255 for bytes."}
    pixels = {
        "type": "object",
        "properties": {"data": data, "range": scale},
        "required": ["data"],
        "additionalProperties": False,
    }
    form = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": "string", "contentMediaType": "application/octet-stream"},
        "description": "One or several parts, each an image file, under any name.",
    }
    return {
        JSON: {"schema": pixels},
        "multipart/form-data": {"schema": form},
        "image/*": {},
        "application/octet-stream": {},
    }
