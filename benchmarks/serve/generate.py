"""Send one request over and over, and write down when each was due, how long it took, and how it ended.

    python generate.py PORT REQUEST_FILE OUT.json --seconds 10 --rate 500           open: due at fixed times
    python generate.py PORT REQUEST_FILE OUT.json --seconds 10 --connections 16     closed: each after the last

An open load does not wait for slow answers: a request's time counts from the moment it was due, so that a server that
stalls is charged for all who would have come meanwhile (no coordinated omission).

OUT.json: {"began": on time.monotonic(), "rows": [[due, seconds, status, said], …]}, due and seconds in seconds, due
from the beginning; `said` is what the group of --said matched in the answer, empty without one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic

BROKEN = 0
"""In place of a status: the request was sent, and its answer never came whole."""
REFUSED = -1
"""In place of a status: there was no connection to send it on."""
MOST_CONNECTIONS = 512
DRAIN_SECONDS = 10
HEAD_END = b"\r\n\r\n"


class Load:
    """What is sent, and what came of it."""

    def __init__(self, port: int, request: bytes, per_connection: int, said: str) -> None:
        self.port, self.request, self.per_connection = port, request, per_connection
        self.said = re.compile(said.encode()) if said else None
        self.began = monotonic()
        self.rows: list[tuple[float, float, int, str]] = []
        self.next: Callable[[], float | None] = lambda: None
        """When the next request that may be sent now is due; None where there is none."""
        self.idle: list[Connection] = []
        self.open = 0
        self.pending = 0

    def ended(self, due: float, status: int, answer: bytes = b"") -> None:
        """A request is over."""
        self.pending -= 1
        found = self.said.search(answer) if self.said else None
        self.rows.append((due - self.began, monotonic() - due, status, found[1].decode() if found else ""))

    async def connect(self, due: float) -> None:
        """A new connection, for a request that is due."""
        self.open += 1
        try:
            await asyncio.get_running_loop().create_connection(lambda: Connection(self, due), "127.0.0.1", self.port)
        except OSError:
            self.open -= 1
            self.ended(due, REFUSED)


class Connection(asyncio.Protocol):
    """Keeps alive, one request at a time."""

    def __init__(self, load: Load, due: float) -> None:
        self.load, self.due, self.sent = load, due, 0
        self.received = bytearray()
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send(self.due)

    def send(self, due: float) -> None:
        self.due, self.busy, self.sent = due, True, self.sent + 1
        self.received.clear()
        self.transport.write(self.load.request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head_end = self.received.find(HEAD_END)
        if head_end < 0:
            return
        head = bytes(self.received[:head_end]).lower()
        if not _whole(head, self.received, head_end + len(HEAD_END)):
            return
        self.busy = False
        self.load.ended(self.due, int(head.split(b" ", 2)[1]), self.received)
        if b"connection: close" in head or self.sent == self.load.per_connection:
            self.transport.close()
        elif (due := self.load.next()) is not None:
            self.send(due)
        else:
            self.load.idle.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.load.open -= 1
        with suppress(ValueError):
            self.load.idle.remove(self)
        if self.busy:
            self.load.ended(self.due, BROKEN)
        if (due := self.load.next()) is not None:
            asyncio.get_running_loop().create_task(self.load.connect(due))


def _whole(head: bytes, received: bytearray, start: int) -> bool:
    """Whether the body has come to its end."""
    if b"transfer-encoding: chunked" in head:
        return received.endswith(b"0\r\n\r\n")
    length = head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]
    return len(received) - start >= int(length or 0)


async def keep_rate(load: Load, rate: float, seconds: float) -> None:
    """Open: request n is due n / rate seconds after the beginning, whatever became of those before it."""
    waiting: deque[float] = deque()
    load.next = lambda: waiting.popleft() if waiting else None
    tasks = set()
    for index in range(int(rate * seconds)):
        due = load.began + index / rate
        if (ahead := due - monotonic()) > 0:
            await asyncio.sleep(ahead)
        load.pending += 1
        if load.idle:
            load.idle.pop().send(due)
        elif load.open < MOST_CONNECTIONS:
            task = asyncio.create_task(load.connect(due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        else:
            waiting.append(due)


async def keep_busy(load: Load, connections: int, seconds: float) -> None:
    """Closed: as many requests at once as connections."""
    end = load.began + seconds

    def due() -> float | None:
        if (now := monotonic()) >= end:
            return None
        load.pending += 1
        return now

    load.next = due
    while (now := monotonic()) < end:
        if load.open < connections:  # at the beginning, and where one was refused
            load.pending += 1
            await load.connect(now)
        else:
            await asyncio.sleep(0.005)


async def main() -> None:
    options = _options()
    load = Load(options.port, options.request.read_bytes(), options.per_connection, options.said)
    if options.rate:
        await keep_rate(load, options.rate, options.seconds)
    else:
        await keep_busy(load, options.connections, options.seconds)
    deadline = monotonic() + DRAIN_SECONDS
    while load.pending and monotonic() < deadline:
        await asyncio.sleep(0.01)
    lost = [(options.seconds, float(DRAIN_SECONDS), BROKEN, "")] * load.pending
    options.out.write_text(json.dumps({"began": load.began, "rows": load.rows + lost}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("request", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--rate", type=float, help="requests a second")
    how.add_argument("--connections", type=int)
    parser.add_argument("--per-connection", type=int, default=0, help="requests, then a new one; 0: no limit")
    parser.add_argument("--said", default="", help="a pattern with one group, looked for in every answer")
    return parser.parse_args()


if __name__ == "__main__":
    with suppress(ImportError):
        import uvloop

        uvloop.install()
    asyncio.run(main())
