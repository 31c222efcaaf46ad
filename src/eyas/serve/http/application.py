"""The application: every request comes in here, and every answer leaves here, whatever carries them.

request ─ route ─ guards ─ handler ─► Answer ─┐
             └─ what any of them raises ─► Problem ─► sent, with the request's id; then counted

Carriers: `eyas.serve.http.connection`, straight from the socket; `eyas.serve.http.asgi`, under any ASGI server;
`eyas.serve.rpc.server`, calls over gRPC.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from eyas.serve.http.answer import Answer
from eyas.serve.http.asgi import Receive, Scope, Send, carry
from eyas.serve.http.endpoint import Endpoint
from eyas.serve.http.problems import Problem, from_exception, unexpected
from eyas.serve.http.request import Limits, Request
from eyas.serve.http.router import Router

Guard = Callable[[Request, Endpoint], Awaitable[None] | None]
"""Looks at the head of a request, and raises a Problem where it must not go on: at once, or in what it gives back."""
Dresser = Callable[[Request], bytes]
"""Headers of an answer that depend on its request."""
log = logging.getLogger("eyas.serve")


class Observer(Protocol):
    """Told of every request."""

    def began(self, request: Request) -> None:
        """A request has come."""

    def ended(self, request: Request, status: int) -> None:
        """It was answered."""

    def refused(self, reason: str, address: str) -> None:
        """A connection from this address was closed before a request was whole."""


class Application:
    """A table of endpoints, and what stands before each of them.

    Args:
        endpoints: what there is.
        limits: of each request.
        guards: asked in turn before a handler is.
        observers: told of every request.
        headers: sent with every answer that has no word of its own on them.
        dresser: asked for more.
        faults: told of each Problem that is answered.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        limits: Limits,
        guards: Sequence[Guard] = (),
        observers: Sequence[Observer] = (),
        headers: dict[str, str] | None = None,
        dresser: Dresser | None = None,
        faults: Callable[[Request, Problem], None] | None = None,
    ) -> None:
        self.endpoints = tuple(endpoints)
        self.limits = limits
        self._router = Router(endpoints)
        self._guards, self._observers = guards, observers
        self._headers = headers or {}
        self._block = header_block(self._headers.items())
        self._dresser, self._faults = dresser, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        await carry(self, scope, receive, send)

    async def respond(self, request: Request) -> Answer:
        """The answer to a request; `ended` is to be called once it has been sent."""
        for observer in self._observers:
            observer.began(request)
        try:
            request.endpoint = endpoint = self._router.find(request)
            for guard in self._guards:
                if (pending := guard(request, endpoint)) is not None:
                    await pending
            return await endpoint.handler(request)
        except Exception as error:  # noqa: BLE001  (whatever goes wrong is answered, and logged where it is our fault)
            return self._failed(request, error)

    def headers(self, request: Request, answer: Answer) -> bytes:
        """Of an answer, as HTTP/1.1 writes them, without those of its length and of the connection.

        Raises:
            ValueError: a header holds the end of a line.
        """
        own = answer.headers
        general = header_block(_lacking(self._headers, own)) + header_block(own.items()) if own else self._block
        first = f"content-type: {answer.media_type}\r\nx-request-id: {request.id}\r\n"
        if request.prediction:
            first += f"x-prediction-id: {request.prediction}\r\n"
        return first.encode("latin-1") + general + (self._dresser(request) if self._dresser else b"")

    def ended(self, request: Request, answer: Answer) -> None:
        """It was sent, as far as it could be."""
        request.release()
        for observer in self._observers:
            observer.ended(request, answer.status)

    def refused(self, reason: str, address: str) -> None:
        """A connection is closed before a request was whole.

        Args:
            reason: a word for it, such as `malformed`.
            address: of the other end.
        """
        for observer in self._observers:
            observer.refused(reason, address)

    def _failed(self, request: Request, error: Exception) -> Answer:
        problem = from_exception(error)
        if problem is None:
            log.error("request %s failed", request.id, exc_info=error, extra={"facts": {"request_id": request.id}})
            problem = unexpected(request.id)
        if self._faults is not None:
            self._faults(request, problem)
        return problem.answer(request.path, request.id)


def header_block(headers: Iterable[tuple[str, str]]) -> bytes:
    """Headers as HTTP/1.1 writes them, names in lower case.

    Raises:
        ValueError: one holds the end of a line.
    """
    pairs = [*headers]
    block = "".join(f"{name.lower()}: {value}\r\n" for name, value in pairs).encode("latin-1")
    if not block.count(b"\n") == block.count(b"\r") == len(pairs):
        raise ValueError(f"a header must not hold the end of a line, got {pairs!r}")
    return block


def _lacking(general: dict[str, str], own: dict[str, str]) -> list[tuple[str, str]]:
    """What an answer does not have its own word on."""
    named = {name.lower() for name in own}
    return [(name, value) for name, value in general.items() if name.lower() not in named]
