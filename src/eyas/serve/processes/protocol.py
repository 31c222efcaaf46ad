"""Uvicorn's HTTP/1.1 over httptools, which does not wait for ever, and lets go of its clients gently."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from eyas.serve.processes.balance import Balance
from eyas.serve.processes.cycle import Cycle

MAX_HEADERS = 32 * 1024  # bytes, before the end of the headers
LINGER_SECONDS = 1.0  # a connection that is idle when the server stops may still send a request that is on its way
DRAIN_SECONDS = 2.0  # what a client still sends is read for so long after an answer that did not wait for it
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Protocol(HttpToolsProtocol):
    """One connection."""

    # Set on a subclass:
    header_seconds: float
    """From the first byte of a request, or from the connection, to the end of its headers; and for bytes of no
    request."""
    balance: Balance
    slot: int
    """Of this worker."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._in_headers = True
        self._header_bytes = 0
        self._stopping = self._leaving = self._draining = False
        self.balance.opened(self.slot)
        self._header_timer: asyncio.TimerHandle | None = self.loop.call_later(self.header_seconds, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is to be waited for."""
        self._stop_timer()
        if not self._leaving:
            self.balance.closed(self.slot)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; a request whose headers go on is timed, and may not go on for ever."""
        if self._draining:
            return
        counted = self._in_headers
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_timer()
        elif self._header_timer is None:  # headers, the rest of a body that was not waited for, or nothing
            self._header_timer = self.loop.call_later(self.header_seconds, self._give_up)
        if counted and self._in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADERS and not self.transport.is_closing():
                self.transport.write(TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_headers, self._header_bytes = True, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; what comes after the body is none, whatever it says."""
        if self._in_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """All headers are there: begin to answer, or wait for the answer to the request before."""
        self._in_headers = False
        self._describe()
        if not self._leaving and self.balance.crowded(self.slot):
            self._leaving = True
            self.balance.closed(self.slot)
        before, self.cycle = self.cycle, self._new_cycle()
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _describe(self) -> None:
        """Fill in ASGI's scope."""
        url = httptools.parse_url(self.url)
        raw = url.path or b"/"
        path = raw.decode("ascii")
        self.scope |= {
            "method": self.parser.get_method().decode("ascii"),
            "http_version": self.parser.get_http_version(),
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw,
            "query_string": url.query or b"",
        }

    def _new_cycle(self) -> Cycle:
        stays = self.parser.should_keep_alive() and not (self._stopping or self._leaving)
        made = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=[],
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=stays and self.scope["http_version"] != "1.0",
            on_response=self.on_response_complete,
        )
        made.end = self.end
        return made

    def end(self) -> None:
        """Close after an answer. Where the request's body still comes, what comes is read for a while, and dropped.

        A connection that is closed with something unread is reset, and the client may never see the answer.
        """
        if self.cycle is None or not self.cycle.more_body or not self.transport.can_write_eof():
            self.transport.close()
        elif not self._draining:
            self._draining = True
            self.transport.write_eof()
            self.loop.call_later(DRAIN_SECONDS, self.transport.close)

    def shutdown(self) -> None:
        """The server stops: what is asked now is answered, and the connection closed with the answer."""
        self._stopping = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LINGER_SECONDS, self._close_if_idle)
        else:
            self.cycle.keep_alive = False

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def _give_up(self) -> None:
        self._header_timer = None
        self.transport.close()

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


def protocol(header_seconds: float, balance: Balance, slot: int) -> type[Any]:
    """The protocol of one worker."""
    return type("WorkerProtocol", (Protocol,), {"header_seconds": header_seconds, "balance": balance, "slot": slot})
