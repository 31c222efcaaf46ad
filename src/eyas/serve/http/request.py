"""What a handler is given: the head of a request at once, its body when it asks for it, within limits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from os import urandom
from time import perf_counter
from typing import Any
from urllib.parse import parse_qs

from eyas.serve.http.problems import Problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")  # it goes into logs: no spaces, quotes or control characters


class Request:
    """One request.

    Args:
        scope, receive: as of ASGI.
        max_body: bytes of the body, at most.
        body_seconds: how long the whole body may take to come.
    """

    __slots__ = (
        "_receive",
        "began",
        "body_seconds",
        "headers",
        "id",
        "max_body",
        "method",
        "model",
        "params",
        "path",
        "scope",
        "subject",
    )

    def __init__(self, scope: Scope, receive: Receive, max_body: int, body_seconds: float) -> None:
        self.scope = scope
        self._receive = receive
        self.max_body, self.body_seconds = max_body, body_seconds
        self.began = perf_counter()
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        """Names in lower case; of several values the last."""
        self.params: dict[str, str] = {}
        """The parts of the path that the endpoint names."""
        self.subject: str | None = None
        """Who asks, where they had to say so."""
        self.model: tuple[str, str] | None = None
        """Name and version of the model that it is for, once that is known."""
        given = self.header("x-request-id")
        self.id = given if given and SANE_ID.fullmatch(given) else urandom(16).hex()
        """The client's own X-Request-ID where it is a sane one, else a new one."""

    def header(self, name: str) -> str:
        """The value of a header, named in lower case; empty where there is none."""
        return self.headers.get(name.encode(), b"").decode("latin-1")

    @property
    def address(self) -> str:
        """The client's, or that of the last proxy that is not trusted."""
        client = self.scope.get("client")
        return client[0] if client else "unknown"

    @property
    def media_type(self) -> str:
        """Of the body, in lower case, without parameters."""
        return self.header("content-type").partition(";")[0].strip().lower()

    @property
    def query(self) -> dict[str, str]:
        """The parameters after `?`; of several values the last."""
        text = self.scope["query_string"]
        return {name: values[-1] for name, values in parse_qs(text.decode("latin-1")).items()} if text else {}

    async def body(self) -> bytes:
        """The whole body.

        Raises:
            Problem: 413, more than `max_body` bytes are announced or come; 408, it takes too long; 400, the client
                leaves; 415, it comes compressed.
        """
        if (encoding := self.header("content-encoding") or "identity") != "identity":
            raise Problem(415, f"the body must be sent as it is, got Content-Encoding: {encoding}")
        announced = self.headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > self.max_body:
            raise self._too_large()
        try:
            async with asyncio.timeout(self.body_seconds):
                return await self._whole()
        except TimeoutError:
            raise Problem(
                408, f"the body must come within {self.body_seconds:g} s (serve.body_seconds)", headers=_CLOSE
            ) from None

    async def left(self) -> None:
        """Wait until the client has gone; to be asked once the body has come."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _whole(self) -> bytes:
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body") and message["type"] == "http.request" and len(body) <= self.max_body:
            return body  # the usual case: it has come in one piece
        pieces, size = [], 0
        while True:
            if message["type"] == "http.disconnect":
                raise Problem(400, "the client left before the body's end")
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > self.max_body:
                raise self._too_large()
            if not message.get("more_body"):
                return b"".join(pieces)
            message = await self._receive()

    def _too_large(self) -> Problem:
        return Problem(413, f"the body must be at most {self.max_body:,} bytes (serve.max_body_mb)", headers=_CLOSE)


# The rest of the body is not read, so the connection cannot serve another request.
_CLOSE = {"Connection": "close"}
