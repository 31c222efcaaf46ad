"""The application under any ASGI server: in tests, in a service of one's own, behind a server of one's own choice.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from eyas.serve.http.answer import LEFT, Answer
from eyas.serve.http.request import Head, Request

if TYPE_CHECKING:
    from eyas.serve.http.application import Application

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def carry(application: Application, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one connection's next request."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    if scope["type"] != "http":
        await send({"type": "websocket.close", "code": 1000})
        return
    request = Request(_head(scope), _Messages(receive), application.limits)
    answer = Answer(status=LEFT)
    try:
        answer = await application.respond(request)
        await _send(application.headers(request, answer), answer, send)
    finally:
        application.ended(request, answer)


class _Messages:
    """The body in ASGI's messages."""

    whole = None

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def piece(self) -> bytes:
        while not self._ended:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionAbortedError
            self._ended = not message.get("more_body", False)
            if body := message.get("body", b""):
                return bytes(body)
        return b""

    async def left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _head(scope: Scope) -> Head:
    client, server = scope.get("client"), scope.get("server")
    return Head(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"],
        headers=dict(scope["headers"]),
        address=client[0] if client else "unknown",
        port=server[1] if server else None,
    )


async def _send(block: bytes, answer: Answer, send: Send) -> None:
    headers = [tuple(line.split(b": ", 1)) for line in block.splitlines()]
    if answer.pieces is None:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if answer.pieces is not None:
        async with aclosing(answer.pieces) as pieces:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"" if answer.status == 304 else answer.body})


async def _live(receive: Receive, send: Send) -> None:
    """ASGI's lifespan: an application that exists has loaded all it needs."""
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
