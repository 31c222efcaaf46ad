"""Running the service: take the port, load the bundle, prove it, listen, and go quietly when told to."""

from __future__ import annotations

import errno
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from eyas.bundle import open_bundle
from eyas.core.errors import ServingError
from eyas.core.schema import ServeConfig
from eyas.serve.app import create_app

IDLE_SECONDS = 5  # an idle connection is then closed
GRACE_SECONDS = 10  # for the requests at hand, once the service is told to stop


def serve(bundle_path: Path, config: ServeConfig) -> None:
    """Serve a bundle until SIGTERM or Ctrl-C; returns once the requests at hand are answered.

    The port is taken first, so that a port in use is told at once, and listened on last, so that a client that
    gets through finds a model that has reproduced its golden answers.

    Raises:
        ServingError: the address cannot be listened on.
        BundleError: the bundle is damaged, or does not give its golden answers on this machine.
    """
    with _bound(config) as taken:
        app = create_app(open_bundle(bundle_path), config)
        server = _Server(_uvicorn(app), f"http://{_shown(config.host)}:{config.port}")
        with _quiet_signals():
            try:
                server.run(sockets=[taken])
            except OSError as error:
                raise _cannot_listen(config, error) from error


class _Server(uvicorn.Server):
    """Uvicorn, which says when it is ready."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self.url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(f"eyas serves on {self.url} (docs: {self.url}/docs; Ctrl-C stops it)", file=sys.stderr, flush=True)


def _uvicorn(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="auto",  # uvloop, but for Windows, where there is none
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


@contextmanager
def _bound(config: ServeConfig) -> Iterator[socket.socket]:
    """A socket that has the address but does not listen yet."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ServingError(f"serve.host must be an address of this machine, got {config.host}: {error}") from error
    with socket.socket(family, kind, protocol) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just left is free again
        try:
            taken.bind(address)
        except OSError as error:
            raise _cannot_listen(config, error) from error
        yield taken


def _cannot_listen(config: ServeConfig, error: OSError) -> ServingError:
    where = f"port {config.port} on {config.host}"
    if error.errno == errno.EADDRINUSE:
        return ServingError(
            f"{where} is already in use; stop the program that has it, or take another: "
            f"serve.port={config.port + 1 if config.port < 65535 else 5000}"
        )
    if error.errno == errno.EACCES:
        return ServingError(f"{where} may not be taken by this user; ports from 1024 up may: serve.port=5000")
    return ServingError(f"cannot listen on {where}: {error.strerror or error}")


@contextmanager
def _quiet_signals() -> Iterator[None]:
    """Uvicorn raises the signal that stopped it once more at the end; being told to stop is no failure."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[Any, Any] = {sig: signal.signal(sig, lambda *_: None) for sig in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
