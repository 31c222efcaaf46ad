"""A worker: loads and proves the models, then answers on the shared socket until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import uvicorn

from eyas.core.errors import EyasError
from eyas.core.schema import ServeConfig
from eyas.serve.app import build_app
from eyas.serve.asking import Asking, Told
from eyas.serve.http import Application
from eyas.serve.metrics import Meter, Tables
from eyas.serve.model import Model
from eyas.serve.models import Models
from eyas.serve.processes.balance import Balance
from eyas.serve.processes.messages import Activate, Activated, Failed, Prepare, Ready, Table, receive, send
from eyas.serve.processes.protocol import protocol
from eyas.serve.processes.shelf import Shelf
from eyas.serve.service import Service
from eyas.serve.trust import Gate

if TYPE_CHECKING:
    from eyas.serve.traces import Traces

IDLE_SECONDS = 5  # an idle connection is then closed
HANDSHAKE_SECONDS = 1.0  # for those who were let in last
GRACE_SECONDS = 10  # for the requests at hand, once the service is told to stop


@dataclass(frozen=True)
class Place:
    """A worker's, among the processes of a service."""

    slot: int
    """Which of the workers this is."""
    tables: Tables
    """What all of them count in; the last one is the supervisor's."""
    balance: Balance
    """Of connections, over all workers."""
    gate: Gate
    """That all workers share."""
    listening: Sequence[socket.socket]
    """Bound; they are listened on only once the models are ready."""
    pipe: Connection
    """To the supervisor."""


def work(table: Table, default: str, config: ServeConfig, threads: int, place: Place, *, changing: bool) -> None:
    """Serve until SIGTERM, or until the supervisor has gone.

    Args:
        table: what to serve at first.
        default: the model that answers where a request names none.
        threads: of ONNX Runtime, for one prediction.
        place: among the processes of the service.
        changing: the supervisor follows a repository.
    """
    shelf = Shelf(Models(default), threads, config.require_signature)
    try:
        shelf.fill(table)
    except EyasError as error:
        send(place.pipe, Failed(type(error).__name__, str(error)))
        return
    asking = Asking(lambda ask: send(place.pipe, ask)) if changing else None
    service = Service(shelf.models, config, Meter(place.tables.counts(place.slot)), asking)
    traces = _traces(config)
    said = tuple(_say(model) for model in service.models)
    http = protocol(config.header_seconds, place.balance, place.slot)
    app = build_app(service, place.tables, place.gate, traces)
    server = _Server(_uvicorn(app, config, place.gate, http), place.pipe, shelf, service, Ready(said))
    place.balance.arrive(place.slot)
    for number in (signal.SIGTERM, signal.SIGINT):  # Uvicorn raises what stopped it once more at its end
        signal.signal(number, server.handle_exit)
    server.run(sockets=[*place.listening])
    service.lane.close()
    for one in traces:
        one.close()


def _traces(config: ServeConfig) -> list[Traces]:
    if not config.traces:
        return []
    from eyas.serve.traces import Traces  # an extra

    return [Traces()]


def _say(model: Model) -> str:
    batches = f"in batches of up to {model.batch}" if model.batch > 1 else "one by one: batches would gain nothing"
    return f"{model.name} {model.version}: {model.seconds * 1e3:.2g} ms an image, {batches}"


class _Server(uvicorn.Server):
    """Uvicorn, which tells the supervisor that it listens, does what it says, and stops when it has gone.

    gRPC starts and stops with it, where it is wanted.
    """

    def __init__(self, config: uvicorn.Config, pipe: Connection, shelf: Shelf, service: Service, ready: Ready) -> None:
        super().__init__(config)
        self._pipe, self._shelf, self._service, self._ready = pipe, shelf, service, ready
        self._rpc: Any = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._service.config.grpc_port is not None:
            from eyas.serve.rpc.server import start  # an extra; and its library must not be there before the fork

            self._rpc = await start(self._service)
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._listen)
        send(self._pipe, self._ready)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, but not before those who have got through by then are let in."""
        waiting = [one for listening in sockets or [] for one in _accept_all(listening)]
        for server in self.servers:
            server.close()
        if waiting:
            connect = asyncio.get_running_loop().connect_accepted_socket
            tasks = [asyncio.ensure_future(connect(self._connection, one, ssl=self.config.ssl)) for one in waiting]
            await asyncio.wait(tasks, timeout=HANDSHAKE_SECONDS)
        stopping = [super().shutdown(sockets)]
        if self._rpc is not None:
            stopping.append(self._rpc.stop(GRACE_SECONDS))
        await asyncio.gather(*stopping)

    def _connection(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

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
        elif isinstance(message, Told) and self._service.asking:
            self._service.asking.told(message)


def _accept_all(listening: socket.socket) -> Iterator[socket.socket]:
    """The connections that the system has made and nobody has taken."""
    with suppress(BlockingIOError):
        while True:
            yield listening.accept()[0]


def _uvicorn(app: Application, config: ServeConfig, gate: Gate, http: type[asyncio.Protocol]) -> uvicorn.Config:
    made = uvicorn.Config(
        app,
        loop="auto",  # uvloop
        http=http,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=bool(config.trusted_proxies),
        forwarded_allow_ips=[*config.trusted_proxies],
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    made.load()
    made.ssl = gate.tls
    return made
