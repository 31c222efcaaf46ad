"""The application on listening sockets: connections come in, are looked after, and are let go of gently at the end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from socket import socket
from typing import Protocol

from eyas.serve.http.application import Application
from eyas.serve.http.connection import Connection
from eyas.serve.http.proxies import Proxies

SWEEP_SECONDS = 0.25  # between two looks for clients whose time is over
CLOSE_SECONDS = 0.01  # a few turns of the loop
TOGETHER_SECONDS = 0.05  # until the other workers, told to stop at the same moment, listen no more either
HANDSHAKE_SECONDS = 1.0  # for those who were let in last
MOST = 1000  # connections
SPARE = 64  # more, for those who ask whether it lives


class Share(Protocol):
    """How many connections this process has, among others."""

    def opened(self) -> None:
        """One more."""

    def closed(self) -> None:
        """One less."""

    def crowded(self) -> bool:
        """Whether it has more than its share, and is to let one of its clients go to another."""


class Server:
    """Used from one event loop.

    Args:
        application: what answers.
        header_seconds: from the first byte of a request, or from the connection, to the end of its headers; and for
            bytes of no request.
        proxies: whose word on a client's address is taken.
        share: of the connections.
        tls: None: plain HTTP.
        most: connections. Those above are answered once, where it costs little (`Request.above`), and closed; of them
            there are `SPARE`, and the oldest makes room for another. Handshakes of TLS do not count until they end.
    """

    def __init__(
        self,
        application: Application,
        header_seconds: float,
        proxies: Proxies,
        share: Share,
        tls: ssl.SSLContext | None = None,
        most: int = MOST,
    ) -> None:
        self.application, self.header_seconds = application, header_seconds
        self.proxies, self._share, self._tls = proxies, share, tls
        self._connections: set[Connection] = set()
        self._most = most
        self._above: dict[Connection, None] = {}  # the oldest first
        self._listening: list[tuple[socket, asyncio.Server]] = []
        self._empty: asyncio.Event | None = None  # set, while it stops, once no connection is left
        self._sweeper: asyncio.TimerHandle | None = None
        self._stopping = False

    async def start(self, sockets: Sequence[socket], backlog: int = 2048) -> None:
        """Listen."""
        self.loop = asyncio.get_running_loop()
        for one in sockets:
            made = await self.loop.create_server(
                self._connection,
                sock=one,
                backlog=backlog,
                ssl=self._tls,
                ssl_handshake_timeout=self.header_seconds if self._tls else None,
            )
            self._listening.append((one, made))
        self._sweep()

    async def stop(self, seconds: float) -> None:
        """Listen no more, answer what has been asked, and close; what is not answered in time is given up.

        Those who have got through by now are let in.
        """
        kept = [one.dup() for one, _ in self._listening]  # open until they are empty, while the loop closes its own
        for _, made in self._listening:
            made.close()
        await asyncio.sleep(CLOSE_SECONDS)
        waiting = [one for listening in kept for one in _accept_last(listening)]
        if waiting:
            connect = self.loop.connect_accepted_socket
            tasks = [asyncio.ensure_future(connect(self._connection, one, ssl=self._tls)) for one in waiting]
            await asyncio.wait(tasks, timeout=HANDSHAKE_SECONDS)
        await asyncio.sleep(TOGETHER_SECONDS)  # a client that is told to go must not come to one that is about to close
        self._stopping = True
        for connection in [*self._connections]:
            connection.leave()
        if self._connections:
            self._empty = asyncio.Event()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)
        for connection in [*self._connections]:
            connection.give_up()
        if self._sweeper is not None:
            self._sweeper.cancel()

    # What connections tell and ask.

    def opened(self, connection: Connection) -> None:
        """It is there."""
        self._connections.add(connection)
        self._share.opened()
        if len(self._connections) - len(self._above) > self._most:
            self._let_in_above(connection)
        if self._stopping:
            connection.leave()

    def closed(self, connection: Connection) -> None:
        """It is there no more."""
        self._connections.discard(connection)
        self._above.pop(connection, None)
        if not connection.moved_on:
            self._share.closed()
        if self._empty is not None and not self._connections:
            self._empty.set()

    def moves_on(self) -> bool:
        """Whether a client is to go to another worker; it then counts no more."""
        crowded = self._share.crowded()
        if crowded:
            self._share.closed()
        return crowded

    # Its own work.

    def _let_in_above(self, connection: Connection) -> None:
        if len(self._above) >= SPARE:
            oldest = next(iter(self._above))
            del self._above[oldest]
            oldest.transport.abort()
        self._above[connection] = None
        connection.above = True
        connection.leave()

    def _connection(self) -> Connection:
        return Connection(self)

    def _sweep(self) -> None:
        self._sweeper = self.loop.call_later(SWEEP_SECONDS, self._sweep)
        now = self.loop.time()
        for connection in [one for one in self._connections if one.until < now]:
            connection.expire(now)


def _accept_last(listening: socket) -> list[socket]:
    """The connections that the system has made and nobody has taken; then no more."""
    taken = []
    listening.setblocking(False)
    with listening, suppress(BlockingIOError):
        while True:
            taken.append(listening.accept()[0])
    return taken
