"""One request and its answer on a connection: Uvicorn's, which sends an answer in one piece.

Uvicorn writes the headers and the body apart, a system call each, and searches every header for what must not be in it.
Both cost as much as a tiny network. Here they leave together, and the headers are looked at once, as a whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Message = MutableMapping[str, Any]
READ_SECONDS = 30.0  # without a client's reading anything


class Cycle(RequestResponseCycle):
    """What the application receives and sends.

    Attributes:
        end: closes the connection, set by it.
    """

    end: Callable[[], None]

    async def send(self, message: Message) -> None:  # type: ignore[override]
        """Take the application's answer: a start, then a body, whole or in pieces.

        Raises:
            RuntimeError: a header holds the end of a line.
        """
        if self.flow.write_paused and not self.disconnected:
            await self._drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self.response_started, self.waiting_for_100_continue = True, False
            self._head = self._begun(message)
            return
        body = message.get("body", b"")
        more = message.get("more_body", False)
        if self.scope["method"] == "HEAD":
            body = b""
        elif self.chunked_encoding:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        if self._head or body:
            self.transport.write(self._head + body)
            self._head = b""
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.end()
            self.on_response()

    async def _drain(self) -> None:
        """Wait until the client has read what was sent; one that does not read is let go."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                await self.flow.drain()
        except TimeoutError:
            self.disconnected = True
            self.transport.abort()

    def _begun(self, message: Message) -> bytes:
        """The status line and the headers."""
        lines = []
        self.chunked_encoding = self.scope["http_version"] == "1.1"  # before, a body ends with the connection
        for name, value in message["headers"]:
            if name == b"content-length":
                self.chunked_encoding = False
            elif name == b"connection" and value.lower() == b"close":
                self.keep_alive = False
                continue
            lines.append(b"%b: %b\r\n" % (name, value))
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        if self.chunked_encoding:
            lines.append(b"transfer-encoding: chunked\r\n")
        head = b"".join(lines)
        if not (head.count(b"\n") == head.count(b"\r") == len(lines)):
            raise RuntimeError(f"a header must not hold the end of a line, got {message['headers']!r}")
        return b"%b%b\r\n" % (STATUS_LINE[message["status"]], head)
