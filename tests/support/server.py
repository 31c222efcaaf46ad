"""The real server, in a process of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

START_SECONDS = 60
STOP_SECONDS = 20
RUN = """
import json, sys
from pathlib import Path
from eyas.core.schema import ServeConfig
from eyas.serve.server import serve
serve(Path(sys.argv[1]), ServeConfig(**json.loads(sys.argv[2])))
"""


@dataclass
class Server:
    """A running server."""

    url: str
    port: int
    process: subprocess.Popen[str]

    def stop(self) -> tuple[int, str]:
        """SIGTERM; (exit code, standard error)."""
        self.process.terminate()
        _, err = self.process.communicate(timeout=STOP_SECONDS)
        return self.process.returncode, err


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(bundle: Path, **config: Any) -> Server:
    """Start a server without waiting for it."""
    port = config.setdefault("port", free_port())
    config.setdefault("monitor", None)  # a process less; its own tests turn it on
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(bundle), json.dumps(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Server(f"http://127.0.0.1:{port}", port, process)


@contextmanager
def running(bundle: Path, **config: Any) -> Iterator[Server]:
    """A server that is ready; stopped at the end."""
    server = start(bundle, **config)
    try:
        _wait_until_ready(server)
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def _wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(base_url=server.url, timeout=5) as client:
        while time.monotonic() < deadline:
            if server.process.poll() is not None:
                raise RuntimeError(f"the server ended: {server.process.communicate()[1]}")
            with suppress(httpx.TransportError):
                if client.get("/readyz").status_code == 200:
                    return
            time.sleep(0.02)  # a loop that spins takes a core from the server that is starting
    raise TimeoutError(f"no answer from {server.url} in {START_SECONDS} s")
