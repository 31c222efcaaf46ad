"""What a handler is given: the head of a request at once, its body when it asks for it, within limits."""

from __future__ import annotations

import asyncio
import math
import re
import sys
from fnmatch import fnmatchcase
from os import urandom
from time import perf_counter
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs

import msgspec

from eyas.serve.http.answer import JSON
from eyas.serve.http.problems import Problem

if TYPE_CHECKING:
    from eyas.serve.http.endpoint import Endpoint

SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")  # it goes into logs: no spaces, quotes or control characters
_CURL = f"; curl -d sends that unless told otherwise: add -H 'Content-Type: {JSON}'"
_CLOSE = {"Connection": "close"}  # the rest of the body is not read, so the connection cannot serve another request


class Room:
    """Bytes that the bodies in a process may take, all together, from when they come until they are answered."""

    def __init__(self, most: int) -> None:
        self.most, self.taken = most, 0

    def take(self, size: int) -> None:
        """Hold more.

        Raises:
            Problem: 503, there is no room for it.
        """
        if self.taken + size > self.most:
            detail = f"the bodies at hand must be at most {self.most:,} bytes together (serve.max_bodies_mb)"
            raise Problem(503, detail, headers={**_CLOSE, "Retry-After": "1"})
        self.taken += size

    def give_back(self, size: int) -> None:
        """Hold less."""
        self.taken -= size


class Limits(msgspec.Struct, frozen=True):
    """Of every request."""

    max_body: int
    """Bytes."""
    body_seconds: float
    """Until all of the body has come."""
    room: Room = msgspec.field(default_factory=lambda: Room(sys.maxsize))
    """That all of them share."""
    seconds: float = math.inf
    """From the end of the headers to the answer."""


class Head(msgspec.Struct):
    """What stands before a request's body, and who sent it."""

    method: str
    path: str
    """Decoded, without what follows `?`."""
    query: bytes
    """What follows `?`, as it was sent."""
    headers: dict[bytes, bytes]
    """Names in lower case; of several values the last, but all of X-Forwarded-For and tracestate."""
    address: str = "unknown"
    """The client's, or that of the last proxy that is not trusted."""
    port: int | None = None
    """That it was sent to; None where the server does not say."""


class Source(Protocol):
    """Where the body of a request comes from."""

    @property
    def whole(self) -> bytes | None:
        """The body, where it is all there; else None, and it is to be taken piece by piece."""

    async def piece(self) -> bytes:
        """The next piece; empty at the end.

        Raises:
            ConnectionError: the client has left before.
        """

    async def left(self) -> None:
        """Wait until the client has gone; to be asked once the body has come."""


class Request:
    """One request.

    Args:
        head: as it came.
        source: of the body.
        limits: of the body, and of the time.
    """

    __slots__ = (
        "_held",
        "_limits",
        "_source",
        "above",
        "address",
        "began",
        "endpoint",
        "headers",
        "id",
        "method",
        "model",
        "params",
        "path",
        "port",
        "prediction",
        "query_string",
        "subject",
    )

    def __init__(self, head: Head, source: Source, limits: Limits) -> None:
        self.began = perf_counter()
        self._source, self._limits = source, limits
        self._held = 0  # bytes of the room
        self.above = False
        """Whether it came on a connection above the limit: what costs much is then refused."""
        self.method, self.path, self.headers = head.method, head.path, head.headers
        self.address, self.port, self.query_string = head.address, head.port, head.query
        self.endpoint: Endpoint | None = None
        """What answers it, once that is known; None where nothing is at its path."""
        self.params: dict[str, str] = {}
        """The parts of the path that the endpoint names."""
        self.subject: str | None = None
        """Who asks, where they had to say so."""
        self.model: tuple[str, str] | None = None
        """Name and version of the model that it is for, once that is known."""
        self.prediction = ""
        """Id of its prediction, once there is one."""
        given = self.headers.get(b"x-request-id", b"").decode("latin-1")
        self.id = given if given and SANE_ID.fullmatch(given) else urandom(16).hex()
        """The client's own X-Request-ID where it is a sane one, else a new one."""

    @property
    def until(self) -> float:
        """When it must be answered, by `perf_counter`."""
        return self.began + self._limits.seconds

    def header(self, name: str) -> str:
        """The value of a header, named in lower case; empty where there is none."""
        return self.headers.get(name.encode(), b"").decode("latin-1")

    @property
    def media_type(self) -> str:
        """Of the body, in lower case, without parameters."""
        return self.header("content-type").partition(";")[0].strip().lower()

    def require_type(self, *taken: str) -> str:
        """The media type, where it is one of those `taken`; `*` stands for anything in these.

        Raises:
            Problem: 415, it is another.
        """
        got = self.media_type
        if got in taken or any(fnmatchcase(got, one) for one in taken):
            return got
        types = ", ".join(taken)
        rule = f"one of {types}" if len(taken) > 1 else types
        hint = _CURL if got == "application/x-www-form-urlencoded" and JSON in taken else ""
        raise Problem(415, f"Content-Type must be {rule}, got {got or 'none'}{hint}", headers={"Accept": types})

    @property
    def query(self) -> dict[str, str]:
        """The parameters after `?`; of several values the last."""
        if not self.query_string:
            return {}
        return {name: values[-1] for name, values in parse_qs(self.query_string.decode("latin-1")).items()}

    async def body(self) -> bytes:
        """The whole body.

        Raises:
            Problem: 413, more than the limit is announced or comes; 408, it takes too long; 400, the client leaves;
                415, it comes compressed; 503, other bodies leave no room for it.
        """
        if (encoding := self.header("content-encoding") or "identity") != "identity":
            raise Problem(415, f"the body must be sent as it is, got Content-Encoding: {encoding}")
        announced = self.headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > self._limits.max_body:
            raise self._too_large()
        whole = self._source.whole
        if whole is None:
            return await self._collect()
        if len(whole) > self._limits.max_body:
            raise self._too_large()
        self._hold(len(whole))
        return whole

    def release(self) -> None:
        """It has been answered: its body leaves room for others."""
        self._limits.room.give_back(self._held)
        self._held = 0

    async def left(self) -> None:
        """Wait until the client has gone; to be asked once the body has come."""
        await self._source.left()

    async def _collect(self) -> bytes:
        pieces, size, limits = [], 0, self._limits
        left = self.until - perf_counter()
        try:
            async with asyncio.timeout(min(limits.body_seconds, left)):
                while piece := await self._source.piece():
                    size += len(piece)
                    if size > limits.max_body:
                        raise self._too_large()
                    self._hold(len(piece))
                    pieces.append(piece)
        except TimeoutError:
            own = limits.body_seconds <= left
            seconds, name = (limits.body_seconds, "body_seconds") if own else (limits.seconds, "timeout_seconds")
            raise Problem(408, f"the body must come within {seconds:g} s (serve.{name})", headers=_CLOSE) from None
        except ConnectionError:
            raise Problem(400, "the body did not come to its end") from None
        return b"".join(pieces)

    def _hold(self, size: int) -> None:
        self._limits.room.take(size)
        self._held += size

    def _too_large(self) -> Problem:
        most = self._limits.max_body
        return Problem(413, f"the body must be at most {most:,} bytes (serve.max_body_mb)", headers=_CLOSE)
