"""Uvicorn's HTTP/1.1 over httptools, which does not wait for ever, and lets go of its clients gently."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from eyas.serve.processes.balance import Balance

MAX_HEADERS = 32 * 1024  # bytes, before the end of the headers
LINGER_SECONDS = 1.0  # a connection that is idle when the server stops may still send a request that is on its way
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Protocol(HttpToolsProtocol):
    """One connection."""

    # Set on a subclass:
    header_seconds: float
    """From the first byte of a request, or from the connection, to the end of its headers."""
    balance: Balance
    slot: int
    """Of this worker."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._in_headers = True
        self._header_bytes = 0
        self._stopping = self._leaving = False
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
        super().data_received(data)
        if not self._in_headers:
            self._stop_timer()
            return
        self._header_bytes += len(data)
        if self._header_bytes > MAX_HEADERS and not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()
        elif self._header_timer is None:
            self._header_timer = self.loop.call_later(self.header_seconds, self._give_up)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_headers, self._header_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """All headers are there."""
        self._in_headers = False
        super().on_headers_complete()
        if not self._leaving and self.balance.crowded(self.slot):
            self._leaving = True
            self.balance.closed(self.slot)
        if (self._stopping or self._leaving) and self.cycle is not None:
            self.cycle.keep_alive = False

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
