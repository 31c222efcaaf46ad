"""A worker: loads and proves the models, then answers on the shared socket until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import uvicorn

from eyas.bundle import Bundle
from eyas.core.errors import EyasError
from eyas.core.machine import usable_cores
from eyas.core.schema import ServeConfig
from eyas.serve.app import build_app
from eyas.serve.http import Application
from eyas.serve.model import Model
from eyas.serve.models import Models
from eyas.serve.processes.messages import Failed, Ready, receive, send
from eyas.serve.processes.protocol import protocol
from eyas.serve.service import Service

IDLE_SECONDS = 5  # an idle connection is then closed
GRACE_SECONDS = 10  # for the requests at hand, once the service is told to stop


def work(
    bundles: Sequence[Bundle], config: ServeConfig, workers: int, listening: socket.socket, pipe: Connection
) -> None:
    """Serve until SIGTERM, or until the supervisor has gone.

    Args:
        bundles: opened; the first is the default.
        workers: how many share the cores.
        listening: bound; it is listened on only once the models are ready.
        pipe: to the supervisor.
    """
    try:
        service = Service(_load(bundles, config, workers), config)
    except EyasError as error:
        send(pipe, Failed(type(error).__name__, str(error)))
        return
    said = tuple(_say(model) for model in service.models)
    server = _Server(_uvicorn(build_app(service), config), pipe, Ready(said), service)
    server.run(sockets=[listening])
    service.lane.close()


def _load(bundles: Sequence[Bundle], config: ServeConfig, workers: int) -> Models:
    threads = config.threads or max(1, usable_cores() // workers)
    models = Models()
    for bundle in bundles:
        models.put(bundle.manifest.name, Model(bundle, threads), live=True)
    return models


def _say(model: Model) -> str:
    batches = f"in batches of up to {model.batch}" if model.batch > 1 else "one by one: batches would gain nothing"
    return f"{model.name} {model.version}: {model.seconds * 1e3:.2g} ms an image, {batches}"


class _Server(uvicorn.Server):
    """Uvicorn, which tells the supervisor that it listens, and stops when the supervisor has gone.

    gRPC starts and stops with it, where it is wanted.
    """

    def __init__(self, config: uvicorn.Config, pipe: Connection, ready: Ready, service: Service) -> None:
        super().__init__(config)
        self._pipe, self._ready, self._service = pipe, ready, service
        self._rpc: Any = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._service.config.grpc_port is not None:
            from eyas.serve.rpc.server import start  # an extra; and its library must not be there before the fork

            self._rpc = await start(self._service)
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._listen)
        send(self._pipe, self._ready)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        stopping = [super().shutdown(sockets)]
        if self._rpc is not None:
            stopping.append(self._rpc.stop(GRACE_SECONDS))
        await asyncio.gather(*stopping)

    def _listen(self) -> None:
        if receive(self._pipe) is None:
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            self.handle_exit(signal.SIGTERM, None)


def _uvicorn(app: Application, config: ServeConfig) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="auto",  # uvloop
        http=protocol(config.header_seconds),
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
