"""Starts the workers, starts another where one dies, and stops them all.

It holds the listening socket, so that no connection is lost with a worker, and loads no graph itself: it has no
threads, and a worker is a fork of it, which costs milliseconds and shares the memory of all that was imported.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from time import monotonic
from types import FrameType

import uvicorn.protocols.http.httptools_impl  # noqa: F401  (here once, the workers have it by their fork)

from eyas.bundle import Bundle
from eyas.core import errors
from eyas.core.errors import ServingError
from eyas.core.schema import ServeConfig
from eyas.serve.metrics import Tables
from eyas.serve.metrics.families import GAUGES, PID, RESTARTS
from eyas.serve.processes.balance import Balance
from eyas.serve.processes.messages import Failed, Message, Ready, receive
from eyas.serve.trust import Gate

log = logging.getLogger("eyas.serve")
STOP_SECONDS = 15.0  # longer than a worker takes for the requests at hand; then a worker that has not gone is killed
EARLY_SECONDS = 10.0  # a worker that dies so soon after its start counts as a false start
FALSE_STARTS = 5  # in a row, and the service gives up


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    started: float
    ready: bool = False


class Supervisor:
    """Keeps `count` workers running.

    Args:
        bundles: opened, the default first.
        gate: that all workers share.
        count: of workers.
        listening: bound, not listened on yet.
        url: where clients find it.
    """

    def __init__(
        self, bundles: Sequence[Bundle], config: ServeConfig, gate: Gate, count: int, listening: socket.socket, url: str
    ) -> None:
        self._bundles, self._config, self._gate, self._count = bundles, config, gate, count
        self._listening, self._url = listening, url
        self._workers: dict[int, _Worker] = {}
        self._tables = Tables(count + 1)
        self._balance = Balance(count)
        self._restarts = self._tables.counts(count).row((RESTARTS.name,))
        self._false_starts = 0
        self._stop_at: float | None = None
        self._told = False

    def run(self) -> None:
        """Until SIGTERM or Ctrl-C; returns once the requests at hand are answered.

        Raises:
            BundleError: a worker cannot load a bundle.
            ServingError: workers die as soon as they are started.
        """
        with _waking(self._told_to_stop) as wake:
            try:
                for slot in range(self._count):
                    self._start(slot)
                while self._workers:
                    self._turn(wake)
            finally:
                for worker in self._workers.values():
                    worker.process.kill()

    def _turn(self, wake: socket.socket) -> None:
        """Wait for what happens next, and act on it."""
        for worker in [*self._workers.values()]:
            if self._stop_at is not None and monotonic() > self._stop_at:
                worker.process.kill()
        by_end = {worker.process.sentinel: slot for slot, worker in self._workers.items()}
        by_pipe = {worker.pipe: slot for slot, worker in self._workers.items() if not worker.pipe.closed}
        for event in wait([wake, *by_end, *by_pipe], timeout=1.0):
            if event is wake:
                wake.recv(64)
            elif event in by_pipe:
                self._heard(by_pipe[event], receive(event))
        for sentinel, slot in by_end.items():
            if slot in self._workers and not self._workers[slot].process.is_alive():
                self._ended(slot, sentinel)

    def _start(self, slot: int) -> None:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(
            target=_begin,
            args=(self, slot, [*(w.pipe for w in self._workers.values()), ours], theirs),
            name=f"eyas-worker-{slot}",
        )
        process.start()
        theirs.close()
        self._workers[slot] = _Worker(process, ours, monotonic())

    def work(self, slot: int, pipe: Connection) -> None:
        """The life of a worker, in its own process."""
        # ONNX Runtime starts a thread when it is imported, and a fork would lose it: only workers import it.
        from eyas.serve.processes.worker import work

        work(self._bundles, self._config, self._gate, slot, self._tables, self._balance, self._listening, pipe)

    def _heard(self, slot: int, message: Message | None) -> None:
        worker = self._workers[slot]
        if message is None:
            worker.pipe.close()
        elif isinstance(message, Failed):
            self._stop()
            raise getattr(errors, message.kind, ServingError)(message.detail)
        elif isinstance(message, Ready):
            worker.ready = True
            if not self._told:  # the others follow within moments
                self._told = True
                for line in message.models:
                    log.info(line)
                log.info(f"eyas serves on {self._url} (docs: {self._url}/docs; Ctrl-C stops it)")

    def _ended(self, slot: int, sentinel: int) -> None:
        worker = self._workers.pop(slot)
        worker.process.join()
        worker.pipe.close()
        self._balance.leave(slot)
        self._tables.forget(slot, *GAUGES, PID)
        if self._stop_at is not None:
            return
        self._restarts[0] += 1
        early = monotonic() - worker.started < EARLY_SECONDS and not worker.ready
        self._false_starts = self._false_starts + 1 if early else 0
        log.warning(f"worker {slot} ended with {worker.process.exitcode}; another takes its place")
        if self._false_starts >= FALSE_STARTS:
            raise ServingError(f"{FALSE_STARTS} workers in a row ended before they were ready")
        self._start(slot)

    def _told_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._stop_at is None:
            self._stop_at = monotonic() + STOP_SECONDS
            self._listening.close()  # the workers have theirs; once they too have closed it, connections are refused
        for worker in self._workers.values():
            worker.process.terminate()


def _begin(supervisor: Supervisor, slot: int, others: Sequence[Connection], pipe: Connection) -> None:
    """In the new process: what belongs to the supervisor alone is let go of."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    for other in others:
        other.close()
    supervisor.work(slot, pipe)


@contextmanager
def _waking(handler: signal._HANDLER) -> Iterator[socket.socket]:
    """A socket that can be read once a signal has come."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    previous = signal.set_wakeup_fd(writing.fileno())
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(previous)
        for number, old in before.items():
            signal.signal(number, old)
        reading.close()
        writing.close()
