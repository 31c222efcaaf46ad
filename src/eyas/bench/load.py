"""The load: c connections, each of which sends a request, waits for its answer, and sends the next (a closed loop).

It runs in a process of its own and spends little on each answer, as it shares the machine with the server: of an answer
it reads the status and the length, nothing else.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from time import perf_counter

from eyas.bench.requests import Target

try:
    import uvloop
except ModuleNotFoundError:  # Windows has none
    uvloop = None  # type: ignore[assignment]

WARM_SECONDS = 0.2  # before the count begins
GRACE_SECONDS = 10.0  # after its end, for the answers that are still to come
RETRY_SECONDS = 0.05
LENGTH, CLOSE = b"\r\ncontent-length:", b"\r\nconnection: close"


@dataclass(frozen=True)
class Load:
    """What to send where, on how many connections, for how long."""

    target: Target
    requests: tuple[bytes, ...]
    """Sent in turn."""
    concurrency: int
    seconds: float


@dataclass
class Outcome:
    """Of the answers that came while it was counted."""

    seconds: float
    latencies: list[float] = field(default_factory=list)
    """Seconds from the first byte sent to the last received, of each answer with status 200."""
    errors: Counter[str] = field(default_factory=Counter)
    """How many others, by status; or `no connection`, `connection lost`, `no length`, `no answer`."""


def drive(load: Load) -> Outcome:
    """Send the load and count what comes back."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop else None) as runner:
        return runner.run(_Loop(load).run())


class _Loop:
    """All connections of one load."""

    def __init__(self, load: Load) -> None:
        self._load, self._requests = load, cycle(load.requests)
        self._ssl = ssl.create_default_context() if load.target.secure else None
        self._begin = perf_counter() + WARM_SECONDS
        self._end = self._begin + load.seconds
        self._outcome = Outcome(load.seconds)

    async def run(self) -> Outcome:
        clients = [asyncio.create_task(self._client()) for _ in range(self._load.concurrency)]
        _, late = await asyncio.wait(clients, timeout=WARM_SECONDS + self._load.seconds + GRACE_SECONDS)
        for client in late:
            client.cancel()
        if late:
            self._outcome.errors["no answer"] += len(late)
        await asyncio.gather(*clients, return_exceptions=True)
        for client in clients:
            if not client.cancelled():
                client.result()
        return self._outcome

    async def _client(self) -> None:
        """One connection, made anew where it is lost."""
        loop, target = asyncio.get_running_loop(), self._load.target
        while perf_counter() < self._end:
            try:
                transport, connection = await loop.create_connection(
                    lambda: _Connection(self), target.host, target.port, ssl=self._ssl
                )
            except OSError:
                self.count("no connection")
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                await connection.closed
            finally:
                transport.abort()

    def next(self) -> bytes | None:
        """The next request; None once the time is over."""
        return next(self._requests) if perf_counter() < self._end else None

    def count(self, error: str) -> None:
        """Something else than an answer with status 200."""
        if self._begin <= perf_counter() <= self._end:
            self._outcome.errors[error] += 1

    def answered(self, began: float) -> None:
        """An answer with status 200."""
        now = perf_counter()
        if self._begin <= now <= self._end:
            self._outcome.latencies.append(now - began)


class _Connection(asyncio.Protocol):
    """HTTP/1.1, one request at a time."""

    def __init__(self, loop: _Loop) -> None:
        self._loop = loop
        self._buffer = bytearray()
        self._needed = 0  # bytes of the answer; 0 until its headers are there
        self._waiting = False
        self._began = 0.0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting:
            self._loop.count("connection lost")
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._needed and not self._read_head():
            return
        if len(self._buffer) >= self._needed:
            self._answered()

    def _send(self) -> None:
        request = self._loop.next()
        if request is None:
            self._transport.close()
            return
        self._needed, self._waiting = 0, True
        self._buffer.clear()
        self._began = perf_counter()
        self._transport.write(request)

    def _read_head(self) -> bool:
        """Whether the headers are there, and tell how long the answer is."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._buffer[: end + 2]).lower()
        at = head.find(LENGTH)
        if at < 0:
            self._waiting = False
            self._loop.count("no length")
            self._transport.close()
            return False
        length = head[at + len(LENGTH) : head.index(b"\r\n", at + len(LENGTH))]
        self._needed = end + 4 + int(length)
        self._keep, self._status = CLOSE not in head, head[9:12].decode()
        return True

    def _answered(self) -> None:
        self._waiting = False
        if self._status == "200":
            self._loop.answered(self._began)
        else:
            self._loop.count(self._status)
        if self._keep:
            self._send()
        else:
            self._transport.close()
