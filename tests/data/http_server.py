"""A real server on this machine that cuts, refuses and redirects as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Server:
    """What it serves, how it misbehaves, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    """For each coming answer, after how many bytes the connection breaks."""
    statuses: list[int] = field(default_factory=list)
    """Errors for the coming requests."""
    retry_after: str = "0"
    """What these ask for."""
    redirects: dict[str, str] = field(default_factory=dict)
    etag: str = '"v1"'
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            headers = dict(self.headers.items())
            server.requests.append((self.path, headers))
            if server.statuses:
                self._end(server.statuses.pop(0), **{"Retry-After": server.retry_after})
            elif self.path in server.redirects:
                self._end(302, Location=server.redirects[self.path])
            elif self.path not in server.files:
                self._end(404)
            else:
                self._send(server.files[self.path], headers)

        def _send(self, content: bytes, headers: dict[str, str]) -> None:
            start = 0
            if "Range" in headers and headers.get("If-Range") == server.etag:
                start = int(headers["Range"].removeprefix("bytes=").removesuffix("-"))
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            if server.etag:
                self.send_header("ETag", server.etag)
            self.end_headers()
            self.wfile.write(content[start:][: server.cuts.pop(0) if server.cuts else None])

        def _end(self, status: int, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler


def running() -> Iterator[Server]:
    state = Server()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(state)) as real:
        state.url = f"http://127.0.0.1:{real.server_address[1]}"
        thread = threading.Thread(target=real.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        real.shutdown()
        thread.join()
