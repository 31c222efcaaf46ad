"""A body of 300 MB, announced or not: refused with 413, and never held."""

from __future__ import annotations

import socket
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from threading import Event, Thread
from typing import Any

from models import served
from peers import PEERS, Server, serving
from processes import Tree

from report import print_table, spread

TITLE = "large body"
SIZE = 300_000_000
PIECE = bytes(1 << 20)
MOST_MB = 40  # above what it held before: the limit of a body, 32 MB, and some
TIMEOUT = 30


def measure(options: Namespace) -> dict[str, Any]:
    """{how it is sent: {peer: figures}}, with resnet20."""
    found: dict[str, Any] = {"announced": {}, "in chunks": {}}
    for name in options.peers:
        with serving(PEERS[name], served("resnet20")) as server:
            for how in found:
                found[how][name] = _send(server, chunked=how == "in chunks")
    return found


def _send(server: Server, *, chunked: bool) -> dict[str, float]:
    before = server.tree.pss()
    with _Weighing(server.tree) as weighing:
        status = _status(server, chunked)
    return {"status": status, "grown": (weighing.most - before) / 1e6}


class _Weighing:
    """The most that a tree of processes holds during a block."""

    def __init__(self, tree: Tree) -> None:
        self.most = tree.pss()
        self._tree, self._stop = tree, Event()
        self._thread = Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            self.most = max(self.most, self._tree.pss())

    def __enter__(self) -> _Weighing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.most = max(self.most, self._tree.pss())


def _status(server: Server, chunked: bool) -> int:
    """Of the answer; 0 where the connection is closed without one."""
    body = next(iter(server.bodies.values()))
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {SIZE}"
    lines = [f"POST {body.path} HTTP/1.1", "Host: x", length, *(f"{k}: {v}" for k, v in body.headers.items())]
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as sent:
        with suppress(BrokenPipeError, ConnectionResetError):
            sent.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
            for piece in _pieces(chunked):
                sent.sendall(piece)
        with suppress(ConnectionResetError, TimeoutError):
            head = sent.recv(64)
            return int(head.split()[1]) if head else 0
    return 0


def _pieces(chunked: bool) -> Iterator[bytes]:
    piece = b"%x\r\n%s\r\n" % (len(PIECE), PIECE) if chunked else PIECE
    for _ in range(SIZE // len(PIECE)):
        yield piece
    yield b"0\r\n\r\n" if chunked else bytes(SIZE % len(PIECE))


def report(rounds: list[dict[str, Any]]) -> None:
    """One table."""
    rows = []
    for how in rounds[0]:
        for peer in rounds[0][how]:
            own = [one[how][peer] for one in rounds]
            statuses = sorted({int(one["status"]) for one in own})
            grown = [one["grown"] for one in own]
            met = statuses == [413] and max(grown) <= MOST_MB
            bar = f"413, ≤ {MOST_MB} MB {'met' if met else 'MISSED'}" if peer == "eyas" else ""
            rows.append((f"{peer}, {how}", " ".join(map(str, statuses)), spread(grown), bar))
    print_table(
        f"a body of {SIZE // 1_000_000} MB: {len(rounds)} rounds", ("server", "status", "grown by MB", "bar"), rows
    )
