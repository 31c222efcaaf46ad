"""A real server on this machine that answers, stalls, drops and talks nonsense as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Turn = Callable[["Handler"], None]
"""What becomes of one request."""
ANSWER = {
    "predictions": [1],
    "confidence": [0.75],
    "probabilities": [[0.25, 0.75]],
    "labels": ["dog"],
    "needs_review": [False],
    "version": "pets-1",
    "id": "abc",
}


@dataclass
class Asked:
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass
class Unsteady:
    """What it does with the coming requests, in order; what it was asked. The last turn is for all that follow."""

    url: str = ""
    turns: list[Turn] = field(default_factory=list)
    requests: list[Asked] = field(default_factory=list)
    connections: int = 0
    over: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body waits for no acknowledgement of its head
    state: Unsteady

    def setup(self) -> None:
        super().setup()
        self.state.connections += 1

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        turns = self.state.turns
        turn = turns.pop(0) if len(turns) > 1 else turns[0]
        body = b"" if turn is slam else self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.state.requests.append(Asked(self.path, headers, body))
        turn(self)

    def do_POST(self) -> None:
        self.do_GET()


def say(status: int, content: object, media_type: str = "application/json", **headers: str) -> Turn:
    """Answer; `content`: bytes, or what becomes JSON. `_` in a header's name stands for `-`."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()

    def turn(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Type": media_type, "Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return turn


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **fields: str) -> Turn:
    content = {"type": "/docs", "title": "Wrong", "status": status, "detail": detail, "request_id": "r-1", **fields}
    return say(status, content, "application/problem+json", **(headers or {}))


def drop(handler: Handler) -> None:
    handler.close_connection = True


def slam(handler: Handler) -> None:
    """Close, the body unread."""
    handler.close_connection = True


def break_off(handler: Handler) -> None:
    """Half of an answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"predictions": [')
    handler.close_connection = True


def talk_nonsense(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
    handler.close_connection = True


def stall(handler: Handler) -> None:
    handler.state.over.wait(30)
    handler.close_connection = True


def drip(handler: Handler) -> None:
    """An answer that comes byte by byte, without end."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    try:
        while not handler.state.over.wait(0.02):
            handler.wfile.write(b" ")
    except OSError:
        pass  # who asked has left
    handler.close_connection = True


ok = say(200, ANSWER)


@contextmanager
def unsteady(*turns: Turn) -> Iterator[Unsteady]:
    state = Unsteady(turns=list(turns))
    bound = type("Bound", (Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), bound) as real:
        real.daemon_threads = True
        state.url = f"http://127.0.0.1:{real.server_address[1]}"
        thread = threading.Thread(target=real.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            state.over.set()
            real.shutdown()
            thread.join()
