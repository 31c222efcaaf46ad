"""The ASGI application: every request comes in here, and every answer leaves here.

request ─ route ─ guards ─ handler ─► Answer ─┐
             └─ what any of them raises ─► Problem ─► sent, with the request's id; then counted
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from eyas.serve.http.answer import Answer
from eyas.serve.http.endpoint import Endpoint
from eyas.serve.http.problems import Problem, from_exception
from eyas.serve.http.request import Receive, Request, Scope, Send
from eyas.serve.http.router import Router

Guard = Callable[[Request, Endpoint], None]
"""Looks at the head of a request, and raises a Problem where it must not go on."""
log = logging.getLogger("eyas.serve")


class Observer(Protocol):
    """Told of every request."""

    def began(self) -> None:
        """A request has come."""

    def ended(self, request: Request, endpoint: Endpoint | None, status: int) -> None:
        """It was answered; `endpoint`: None where there is none at its path."""


@dataclass(frozen=True)
class Limits:
    """Of every request."""

    max_body: int
    """Bytes."""
    body_seconds: float


class Application:
    """An ASGI application over a table of endpoints.

    Args:
        endpoints: what there is.
        limits: of each request.
        guards: asked in turn before a handler is.
        observers: told of every request.
        headers: sent with every answer.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        limits: Limits,
        guards: Sequence[Guard] = (),
        observers: Sequence[Observer] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        self.endpoints = tuple(endpoints)
        self._router = Router(endpoints)
        self._limits = limits
        self._guards, self._observers = guards, observers
        self._headers = _encoded(headers or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's next request."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        request = Request(scope, receive, self._limits.max_body, self._limits.body_seconds)
        endpoint: Endpoint | None = None
        for observer in self._observers:
            observer.began()
        try:
            endpoint = self._router.find(request)
            for guard in self._guards:
                guard(request, endpoint)
            answer = await endpoint.handler(request)
        except Exception as error:  # noqa: BLE001  (whatever goes wrong is answered, and logged where it is our fault)
            answer = self._failed(request, error)
        try:
            await self._send(request, answer, send)
        finally:
            for observer in self._observers:
                observer.ended(request, endpoint, answer.status)

    def _failed(self, request: Request, error: Exception) -> Answer:
        problem = from_exception(error)
        if problem is None:
            log.error("request %s failed", request.id, exc_info=error)
            problem = Problem(500, f"the server failed; its log has the cause under request id {request.id}")
        return problem.answer(request.path, request.id)

    async def _send(self, request: Request, answer: Answer, send: Send) -> None:
        headers = [
            (b"content-type", answer.media_type.encode()),
            (b"x-request-id", request.id.encode()),
            *self._headers,
            *_encoded(answer.headers),
        ]
        if answer.pieces is None:
            headers.append((b"content-length", str(len(answer.body)).encode()))
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body})
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        async for piece in answer.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _live(receive: Receive, send: Send) -> None:
    """ASGI's lifespan: an application that exists has loaded all it needs."""
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
