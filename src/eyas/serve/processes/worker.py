"""A worker: loads and proves the models, then answers on the shared socket until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from eyas.core.errors import EyasError
from eyas.core.schema import ServeConfig
from eyas.serve.app import build_app
from eyas.serve.asking import Asking, Told
from eyas.serve.http.proxies import Proxies
from eyas.serve.http.server import SPARE, Server
from eyas.serve.messages import Activate, Activated, Failed, Prepare, Ready, Table, receive, send
from eyas.serve.metrics import Meter, Tables
from eyas.serve.models import Models
from eyas.serve.monitoring.channel import Outbox
from eyas.serve.monitoring.reporter import Reporter
from eyas.serve.processes.balance import Balance
from eyas.serve.processes.open_files import require_files
from eyas.serve.processes.shelf import Shelf
from eyas.serve.processes.watching import Watching
from eyas.serve.service import Service
from eyas.serve.trust import Gate

if TYPE_CHECKING:
    from eyas.serve.traces import Traces

OTHER_FILES = 256  # that a worker may have open beside its connections
GRACE_SECONDS = 10  # for the requests at hand, once the service is told to stop


@dataclass(frozen=True)
class Place:
    """A worker's, among the processes of a service."""

    slot: int
    """Which of the workers this is."""
    share: float
    """Of the service's requests: 1 / workers."""
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
    watching: Watching | None
    """The way to the watcher, where there is one."""
    weights: Path | None
    """Where there may be optimised graphs."""


def work(table: Table, default: str, config: ServeConfig, threads: int, place: Place, *, changing: bool) -> None:
    """Serve until SIGTERM, or until the supervisor has gone.

    Args:
        table: what to serve at first.
        default: the model that answers where a request names none.
        threads: of ONNX Runtime, for one prediction.
        place: among the processes of the service.
        changing: the supervisor follows a repository.
    """
    shelf = Shelf(Models(default), threads, config, place.weights)
    try:
        shelf.fill(table)
    except EyasError as error:
        send(place.pipe, Failed(type(error).__name__, str(error)))
        return
    asking = Asking(lambda ask: send(place.pipe, ask)) if changing else None
    board = place.watching.board if place.watching else None
    meter = Meter(place.tables.counts(place.slot), "https" if config.tls else "http")
    service = Service(shelf.models, config, meter, asking, board)
    traces = _traces(config)
    said = tuple(model.pace for model in service.models)
    app = build_app(service, place.tables, place.gate, traces)
    share = place.balance.arrive(place.slot)
    proxies, most = Proxies(config.trusted_proxies), config.max_connections
    require_files(most + SPARE + OTHER_FILES)
    server = Server(app, config.header_seconds, proxies, share, place.gate.tls, most)
    gc.collect()
    gc.freeze()  # what is there now stays: looking through it again and again would hold requests up for milliseconds
    uvloop.run(_serve(server, place, shelf, service, traces, Ready(said)))
    service.lane.close()
    for one in traces:
        one.close()


def _traces(config: ServeConfig) -> list[Traces]:
    if not config.traces:
        return []
    from eyas.serve.traces import Traces  # an extra

    return [Traces()]


async def _serve(
    server: Server, place: Place, shelf: Shelf, service: Service, traces: Sequence[Traces], ready: Ready
) -> None:
    """Tell the supervisor that it listens, do what it says, and stop when it has gone.

    gRPC starts and stops with it, where it is wanted.
    """
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    if place.watching:
        outbox = Outbox(place.watching.channel.writing)
        service.reporter = Reporter(outbox, place.watching.config, place.share, service.meter.lost, loop)
    await server.start(place.listening)
    rpc: Any = None
    if service.config.grpc_port is not None:
        from eyas.serve.rpc.server import start  # an extra; and its library must not be there before the fork

        rpc = await start(service, place.gate, traces)
    loop.add_reader(place.pipe.fileno(), lambda: _listen(place.pipe, shelf, service, told))
    send(place.pipe, ready)
    await told.wait()
    await asyncio.gather(server.stop(GRACE_SECONDS), *([rpc.stop(GRACE_SECONDS)] if rpc else []))
    if service.reporter:
        await service.reporter.finish()


def _listen(pipe: Connection, shelf: Shelf, service: Service, told: asyncio.Event) -> None:
    """The supervisor has something to say."""
    message = receive(pipe)
    if message is None:
        asyncio.get_running_loop().remove_reader(pipe.fileno())
        told.set()
    elif isinstance(message, Prepare):
        shelf.prepare(message.version, lambda outcome: send(pipe, outcome))
    elif isinstance(message, Activate):
        shelf.activate(message.table)
        send(pipe, Activated(message.number))
    elif isinstance(message, Told) and service.asking:
        service.asking.told(message)
