"""A real HTTP server that keeps what it is sent, answers as it is told, and may be away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from support.server import free_port


@dataclass(frozen=True)
class Got:
    """A request."""

    path: str
    headers: Mapping[str, str]
    """Names in small letters."""
    body: Any


@dataclass
class Receiver:
    """On a port that stays the same."""

    port: int = field(default_factory=free_port)
    got: list[Got] = field(default_factory=list)
    """What was answered with a success."""
    refused: list[Got] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """The next answers: status and headers; then 200."""
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Of its root."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, own = receiver.answers.pop(0) if receiver.answers else (200, {})
                kept = receiver.got if status < 300 else receiver.refused
                kept.append(Got(self.path, headers, json.loads(body)))
                self.send_response(status)
                for name, value in own.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words: object) -> None:
                """Nowhere."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Refuse connections."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def events(self, kind: str) -> list[Any]:
        """The bodies of this kind."""
        return [one.body for one in [*self.got] if one.body["event"] == kind]
