"""One connection of HTTP/1.1, from the socket to the application and back.

bytes ─ Incoming ─► Exchange, once its headers are there ─► Request ─ application ─► Answer ─► bytes
                      └ those sent before their turn wait: answers leave in the order of the requests

A handler that need not wait is done within the call that brought its request: no task is made, and the headers and the
body of its answer leave in one write. One that waits goes on in a task. A client has a time for its headers, its body
(`Limits.body_seconds`), for reading, and between requests; then it is let go.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from eyas.serve.http.answer import LEFT, Answer
from eyas.serve.http.content import Content
from eyas.serve.http.eager import begin
from eyas.serve.http.incoming import Incoming
from eyas.serve.http.problems import MEDIA_TYPE, Problem
from eyas.serve.http.request import Head, Request

if TYPE_CHECKING:
    from eyas.serve.http.server import Server

IDLE_SECONDS = 5.0  # between two requests
LINGER_SECONDS = 1.0  # a connection that is idle when the server stops may still send a request that is on its way
DRAIN_SECONDS = 2.0  # what a client still sends is read for so long after an answer that did not wait for it
READ_SECONDS = 30.0  # without a client's reading anything
NEVER = float("inf")
REASONS = {400: "malformed", 431: "long_headers"}  # why what has come is no request, as metrics have it
STATUS = {one.value: f"HTTP/1.1 {one.value} {one.phrase}\r\n".encode() for one in HTTPStatus}
log = logging.getLogger("eyas.serve")


class Exchange:
    """A request, and how its answer must be sent."""

    __slots__ = ("begun", "chunked", "content", "request", "stays")

    def __init__(self, request: Request, content: Content, *, stays: bool, chunked: bool) -> None:
        self.request, self.content = request, content
        self.stays = stays
        """Whether the connection does, after the answer."""
        self.begun = False
        """Whether the client has been told so."""
        self.chunked = chunked
        """Whether the client knows bodies in chunks."""


class Connection(asyncio.Protocol):
    """One connection; see the module."""

    def __init__(self, server: Server) -> None:
        self._server, self._application = server, server.application
        self._incoming = Incoming(self._begin)
        self._exchanges: deque[Exchange] = deque()  # the first is at hand
        self._task: asyncio.Task[None] | None = None  # of the first, where it waits
        self._readable: asyncio.Event | None = None  # not None: the client does not read, and this says when it does
        self._held = self._draining = self._last = False
        self._unsent = NEVER  # bytes, when it was last looked
        self.until = NEVER
        """When the client is let go, on the loop's clock."""
        self.moved_on = False
        """Whether another worker is to have this client."""
        self.above = False
        """Whether it is one more than there may be."""

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        self.transport = cast("asyncio.Transport", transport)
        peer, here = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self._peer = str(peer[0]) if isinstance(peer, tuple) else "unknown"
        self._port = int(here[1]) if isinstance(here, tuple) else None
        self._wait(self._server.header_seconds)
        self._server.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits for more of it is told; what nothing but an answer comes of is given up."""
        self._server.closed(self)
        for exchange in self._exchanges:
            exchange.content.lose()
        if self._readable is not None:
            self._readable.set()
        endpoint = self._exchanges[0].request.endpoint if self._exchanges else None
        if self._task is not None and endpoint is not None and endpoint.scope == "predict":
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Parse what has come, and answer what can be answered."""
        if self._draining:
            return
        idle, until = self._task is None and not self._incoming.within, self.until
        try:
            self._incoming.feed(data)
        except Problem as problem:
            self._refuse(problem)
        self._go_on()
        if self._task is not None or self._draining or not idle:
            return
        if self._incoming.within:
            self._wait(self._server.header_seconds)
        elif self.until == until:  # nothing in what came was a request
            self._wait(self._server.header_seconds)
            self.until = min(until, self.until)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        self._readable = asyncio.Event()

    def resume_writing(self) -> None:
        """It has."""
        if self._readable is not None:
            self._readable.set()
            self._readable = None
            self._go_on()

    # What the server calls.

    def expire(self, now: float) -> None:
        """Its time is over: let it go, unless it is still reading an answer."""
        unsent = self.transport.get_write_buffer_size()
        if 0 < unsent < self._unsent:
            self._unsent, self.until = unsent, now + READ_SECONDS
        elif self.transport.is_closing():
            self.transport.abort()
        else:
            if self._incoming.within and not self._exchanges and not self._draining:
                self._application.refused("slow_headers", self._peer)
            self.transport.close()

    def leave(self) -> None:
        """The server stops: what has been asked is answered, and the connection closed with the last answer."""
        self._last = True
        if not self._exchanges:
            self._wait(LINGER_SECONDS)
        elif not self._exchanges[-1].begun:
            self._exchanges[-1].stays = False

    def give_up(self) -> None:
        """The server waits no longer."""
        if self._task is not None:
            self._task.cancel()
        self.transport.abort()

    # Its own work.

    def _begin(self, head: Head, *, stays: bool, modern: bool) -> Content:
        """A request's headers are there; its turn comes."""
        head.address, head.port = self._server.proxies.client(self._peer, head.headers), self._port
        content = Content(self._flow)
        if modern and b"expect" in head.headers:
            content.wanted = self._let_come
        if not self.moved_on:
            self.moved_on = self._server.moves_on()
        request = Request(head, content, self._application.limits)
        request.above = self.above
        stays = stays and not self._last and not self.moved_on
        self._exchanges.append(Exchange(request, content, stays=stays, chunked=modern))
        return content

    def _go_on(self) -> None:
        """Answer requests until one has to wait."""
        while self._exchanges and self._task is None and self._readable is None and not self.transport.is_closing():
            exchange = self._exchanges[0]
            work = self._answer(exchange)
            self._task = begin(work) if exchange.content.complete else self._server.loop.create_task(work)
            if self._task is None:
                self._end(exchange)
            else:
                self.until = NEVER
                self._task.add_done_callback(self._answered)
        if self._exchanges and self._task is None and self.until == NEVER:  # it must read first
            self._wait(IDLE_SECONDS)
        self._flow()

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._task = None
        self._end(self._exchanges[0])
        self._go_on()

    async def _answer(self, exchange: Exchange) -> None:
        request, application = exchange.request, self._application
        answer = Answer(status=LEFT)
        try:
            answer = await application.respond(request)
            if answer.pieces is None:
                self._write(exchange, answer)
            else:
                await self._stream(exchange, answer)
        except Exception as error:
            if not isinstance(error, ConnectionError):
                log.exception("the answer to request %s failed", request.id)
            self.transport.abort()
        finally:
            application.ended(request, answer)

    def _write(self, exchange: Exchange, answer: Answer) -> None:
        """A whole answer, in one write."""
        bare = exchange.request.method == "HEAD" or answer.status == 304  # with the length of the whole (RFC 9110, 8.6)
        body = b"" if bare else answer.body
        self._send(self._begun(exchange, answer, b"content-length: %d\r\n\r\n" % len(answer.body)) + body)

    async def _stream(self, exchange: Exchange, answer: Answer) -> None:
        """An answer piece by piece, no faster than the client reads it."""
        assert answer.pieces is not None
        await asyncio.sleep(0)  # from here on this is in a task, which may wait with a timeout
        if not exchange.chunked:
            exchange.stays = False  # the body ends with the connection
        async with aclosing(answer.pieces) as pieces:
            self._send(self._begun(exchange, answer, _CHUNKED if exchange.chunked else b"\r\n"))
            if exchange.request.method == "HEAD":
                return
            async for piece in pieces:
                await self._room()
                if piece:
                    self._send(b"%x\r\n%b\r\n" % (len(piece), piece) if exchange.chunked else piece)
        if exchange.chunked:
            self._send(b"0\r\n\r\n")

    def _begun(self, exchange: Exchange, answer: Answer, rest: bytes) -> bytes:
        """The status line and the headers."""
        exchange.begun = True
        said = STATUS[answer.status] + self._application.headers(exchange.request, answer)
        if "Connection" in answer.headers:
            exchange.stays = False
        elif not exchange.stays:
            said += b"connection: close\r\n"
        return said + rest

    async def _room(self) -> None:
        """Wait until the client reads.

        Raises:
            ConnectionError: it does not, or has left.
        """
        if self._readable is not None:
            try:
                async with asyncio.timeout(READ_SECONDS):
                    await self._readable.wait()
            except TimeoutError:
                raise ConnectionAbortedError from None
        if self.transport.is_closing():
            raise ConnectionAbortedError

    def _end(self, exchange: Exchange) -> None:
        """An answer has been sent."""
        self._exchanges.popleft()
        exchange.content.drop()
        self._unsent = NEVER
        if not exchange.begun:  # an answer to the next one would be taken for its own
            self.transport.abort()
        elif not exchange.stays:
            self._part(exchange.content)
        elif not self._exchanges:
            idle = LINGER_SECONDS if self._last else IDLE_SECONDS
            self._wait(self._server.header_seconds if self._incoming.within else idle)

    def _part(self, content: Content) -> None:
        """Close after an answer. Where the request's body still comes, what comes is read for a while, and dropped.

        A connection that is closed with something unread is reset, and the client may never see the answer.
        """
        self._exchanges.clear()
        if content.complete or self.transport.is_closing():
            self._wait(IDLE_SECONDS)  # at most, for it to read
            self.transport.close()
        else:
            self._drain()

    def _drain(self) -> None:
        self._draining = True
        if self.transport.can_write_eof():  # not under TLS: there an answer ends by its length, or with the drain
            self.transport.write_eof()
        self._wait(DRAIN_SECONDS)

    def _refuse(self, problem: Problem) -> None:
        """What has come is no request that could be answered; what has come before it still is."""
        if not self._exchanges or self._exchanges[-1].content.complete:  # else a request ends with it, and is counted
            self._application.refused(REASONS[problem.status], self._peer)
        if self._exchanges:
            self._draining, self._exchanges[-1].stays = True, False
            self._incoming.stop()
            return
        body = problem.answer("", "").body
        lines = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self._send(STATUS[problem.status] + lines.encode() + body)
        if not self.transport.is_closing():
            self._drain()

    def _let_come(self) -> None:
        """The client waits to be told that its body is wanted."""
        self._send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def _flow(self) -> None:
        """Read on, unless more has come than is at hand."""
        held = not self._draining and (len(self._exchanges) > 1 or self._incoming.full)
        if held != self._held and not self.transport.is_closing():
            self._held = held
            (self.transport.pause_reading if held else self.transport.resume_reading)()

    def _wait(self, seconds: float) -> None:
        self.until = self._server.loop.time() + seconds


_CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
