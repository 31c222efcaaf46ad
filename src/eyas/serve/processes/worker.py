"""A worker: loads and proves the models, then answers on the shared socket until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Sequence
from multiprocessing.connection import Connection

import uvicorn

from eyas.core.errors import EyasError
from eyas.core.schema import ServeConfig
from eyas.serve.app import build_app
from eyas.serve.asking import Asking, Told
from eyas.serve.http import Application
from eyas.serve.model import Model
from eyas.serve.models import Models
from eyas.serve.processes.messages import Activate, Activated, Failed, Prepare, Ready, Table, receive, send
from eyas.serve.processes.protocol import protocol
from eyas.serve.processes.shelf import Shelf
from eyas.serve.service import Service

IDLE_SECONDS = 5  # an idle connection is then closed
GRACE_SECONDS = 10  # for the requests at hand, once the service is told to stop


def work(
    table: Table,
    default: str,
    config: ServeConfig,
    threads: int,
    listening: Sequence[socket.socket],
    pipe: Connection,
    *,
    changing: bool,
) -> None:
    """Serve until SIGTERM, or until the supervisor has gone.

    Args:
        table: what to serve at first.
        default: the model that answers where a request names none.
        threads: of ONNX Runtime, for one prediction.
        listening: bound; they are listened on only once the models are ready.
        pipe: to the supervisor.
        changing: the supervisor follows a repository.
    """
    shelf = Shelf(Models(default), threads)
    try:
        shelf.fill(table)
    except EyasError as error:
        send(pipe, Failed(type(error).__name__, str(error)))
        return
    asking = Asking(lambda ask: send(pipe, ask)) if changing else None
    service = Service(shelf.models, config, asking)
    said = tuple(_say(model) for model in service.models)
    server = _Server(_uvicorn(build_app(service), config), pipe, shelf, asking, Ready(said))
    server.run(sockets=[*listening])
    service.lane.close()


def _say(model: Model) -> str:
    batches = f"in batches of up to {model.batch}" if model.batch > 1 else "one by one: batches would gain nothing"
    return f"{model.name} {model.version}: {model.seconds * 1e3:.2g} ms an image, {batches}"


class _Server(uvicorn.Server):
    """Uvicorn, which tells the supervisor that it listens, does what it says, and stops when it has gone."""

    def __init__(
        self, config: uvicorn.Config, pipe: Connection, shelf: Shelf, asking: Asking | None, ready: Ready
    ) -> None:
        super().__init__(config)
        self._pipe, self._shelf, self._asking, self._ready = pipe, shelf, asking, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._listen)
        send(self._pipe, self._ready)

    def _listen(self) -> None:
        message = receive(self._pipe)
        if message is None:
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            self.handle_exit(signal.SIGTERM, None)
        elif isinstance(message, Prepare):
            self._shelf.prepare(message.version, lambda outcome: send(self._pipe, outcome))
        elif isinstance(message, Activate):
            self._shelf.activate(message.table)
            send(self._pipe, Activated(message.number))
        elif isinstance(message, Told) and self._asking:
            self._asking.told(message)


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
