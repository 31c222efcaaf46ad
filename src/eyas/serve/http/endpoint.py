"""One path and method, and what is said of it: routes, OpenAPI document and /docs are all made from these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from eyas.serve.http.answer import Answer
from eyas.serve.http.request import Request

Handler = Callable[[Request], Awaitable[Answer]]
Scope = Literal["predict", "feedback", "admin"]
"""What a caller must be allowed to do."""


PREDICT_ERRORS = (400, 404, 408, 413, 415, 422, 500, 503, 504)
"""Of every endpoint that predicts."""


@dataclass(frozen=True)
class Endpoint:
    """One path and method."""

    method: str
    path: str
    """`{name}` stands for one part of it, which `Request.params` then holds."""
    summary: str
    handler: Handler
    answer: type[msgspec.Struct] | None = None
    """What a 200 holds as JSON; None where it is never that, see `answers`."""
    answers: dict[str, Any] = field(default_factory=dict)
    """OpenAPI's `content` of a 200, where that is no struct, or not always."""
    answer_headers: dict[str, str] = field(default_factory=dict)
    """Headers that a 200 may have of its own, each with what it says."""
    errors: tuple[int, ...] = (500, 503)
    body: dict[str, Any] = field(default_factory=dict)
    """OpenAPI's `content` of the request, where it has a body."""
    query: dict[str, str | dict[str, Any]] = field(default_factory=dict)
    """Parameters after `?`, each with what it says: texts; else their JSON Schemas with a description."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of a request that change what it means, each with what it says."""
    scope: Scope | None = None
    """None: open to everybody."""
