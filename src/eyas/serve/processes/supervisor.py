"""Starts the workers, starts another where one dies, changes what they serve, and stops them all.

It holds the listening sockets, so that no connection is lost with a worker, and loads no graph itself: it has no
threads, and a worker is a fork of it, which costs milliseconds and shares the memory of all that was imported.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from time import monotonic
from types import FrameType

import uvloop  # noqa: F401  (here once, the workers have it by their fork)

from eyas.bundle import Repository
from eyas.core import errors
from eyas.core.errors import ConfigError, ServingError
from eyas.core.machine import usable_cores
from eyas.core.schema import ServeConfig
from eyas.serve.messages import Decided, Failed, Message, Ready, Table, Version, receive, send
from eyas.serve.metrics import Tables
from eyas.serve.metrics.families import GAUGES, PID, RESTARTS
from eyas.serve.processes.balance import Balance
from eyas.serve.processes.changes import Changes
from eyas.serve.processes.child import Child, fork
from eyas.serve.processes.optimiser import optimise
from eyas.serve.processes.prover import prove
from eyas.serve.processes.watching import Watching
from eyas.serve.schemas import AdminWorker
from eyas.serve.trust import Gate

log = logging.getLogger("eyas.serve")
STOP_SECONDS = 15.0  # longer than a worker takes for the requests at hand; then a worker that has not gone is killed
EARLY_SECONDS = 10.0  # a worker that dies so soon after its start counts as a false start
FALSE_STARTS = 5  # in a row, and the service gives up
AGAIN_SECONDS = 5.0  # until a worker is started in the place of one that could not load what the others serve


@dataclass
class _Worker(Child):
    started: float
    ready: bool = False
    failed: bool = False
    kill_at: float | None = None
    """It has been told to end."""


class Supervisor:
    """Keeps as many workers running as the configuration asks for.

    Args:
        models: what they serve; or a repository, whose changes they follow.
        gate: that all workers share.
        listening: bound, not listened on yet.
        url: where clients find it.
        weights: an empty folder, through which the workers share them; None: each has its own.
    """

    def __init__(
        self,
        models: Table | Repository,
        config: ServeConfig,
        gate: Gate,
        listening: Sequence[socket.socket],
        url: str,
        weights: Path | None = None,
    ) -> None:
        self._weights = weights
        self._config, self._gate = config, gate
        count, self._threads = config.shares(usable_cores())
        self._count = count
        self._listening, self._url = listening, url
        self._fixed: Table = () if isinstance(models, Repository) else models
        self._changes = Changes(models, config, self, self._try) if isinstance(models, Repository) else None
        self._default = ""
        self._workers: dict[int, _Worker] = {}
        self._vacant: dict[int, float] = {}  # slot → when another worker is started there
        self._tables = Tables(count + 2)
        self._balance = Balance(count)
        self._watching = (
            Watching(config.monitor, self._tables, count + 1, self.fork, listening, url) if config.monitor else None
        )
        counts = self._tables.counts(count)
        counts.row((PID, "supervisor"))[0] = os.getpid()
        self._restarts = counts.row((RESTARTS.name,))
        self._false_starts = 0
        self._signals: set[int] = set()
        self._stopping = False
        self._told = False

    def run(self) -> None:
        """Until SIGTERM or Ctrl-C; returns once the requests at hand are answered.

        Raises:
            BundleError: a worker cannot load a bundle.
            ConfigError: the default model is not in the repository.
            ServingError: workers die as soon as they are started; nothing in the repository can be served.
        """
        numbers = [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if self._changes else [])]
        with _waking(numbers, lambda number, frame: self._signals.add(number)) as wake:
            try:
                if self._changes is None:
                    self._begin(self._fixed[0].model)
                while self._workers or not self._stopping:
                    self._turn(wake)
            finally:
                if self._changes:
                    self._changes.stop()
                for worker in self._workers.values():
                    worker.process.kill()
                if self._watching:
                    self._watching.stop()

    # What the changes need of it.

    def tell(self, message: Message, slot: int | None = None) -> set[int]:
        """Tell one worker, or all that are to stay; gives who was told."""
        workers = {number: one for number, one in self._workers.items() if not one.pipe.closed}
        told = {number for number, one in workers.items() if number == slot or (slot is None and not one.kill_at)}
        for number in told:
            send(workers[number].pipe, message)
        return told

    def fork(self, name: str, body: Callable[[Connection], None]) -> Child:
        """Start a process."""
        others = [worker.pipe for worker in self._workers.values() if not worker.pipe.closed]
        for part in (self._changes, self._watching):
            others += part.pipes if part else []
        return fork(name, body, others)

    def end(self, slot: int) -> None:
        """Tell a worker to end once its requests are answered; one that does not is killed."""
        worker = self._workers[slot]
        worker.kill_at = worker.kill_at or monotonic() + STOP_SECONDS
        worker.process.terminate()

    def states(self) -> list[AdminWorker]:
        """How the workers are."""
        return [
            AdminWorker(slot, one.process.pid or 0, "ending" if one.kill_at else "ready" if one.ready else "starting")
            for slot, one in sorted(self._workers.items())
        ]

    # Its own work.

    @property
    def _table(self) -> Table:
        return self._changes.table if self._changes else self._fixed

    def _begin(self, default: str) -> None:
        self._default = default
        if self._weights:
            optimise(
                self._fixed,
                self._config,
                self._weights,
                self._listening,
                self.fork,
                lambda: bool(self._signals - {signal.SIGHUP}),
            )
        for slot in range(self._count):
            self._start(slot)

    def _begin_with(self, changes: Changes) -> None:
        """With what a repository has."""
        wanted, default = changes.wanted, self._config.default_model
        if not changes.table:
            reasons = [*changes.refused.values(), *wanted.troubles.values()] or [
                "no model has a live version; `eyas models live` gives it one"
            ]
            raise ServingError(f"nothing in {changes.repository.path} can be served: {'; '.join(reasons)}")
        there = sorted({*wanted.models, *wanted.troubles})
        if default and default not in there:
            raise ConfigError(f"serve.default_model must be a model that is live ({', '.join(there)}), got {default}")
        self._begin(default or there[0])

    def _turn(self, wake: socket.socket) -> None:
        """Wait for what happens next, and act on it."""
        for worker in self._workers.values():
            if worker.kill_at and monotonic() > worker.kill_at:
                worker.process.kill()
        changes = None if self._stopping else self._changes
        if changes:
            changes.turn()
            if changes.rested and not self._default:
                self._begin_with(changes)
        for slot, at in [*self._vacant.items()]:
            if monotonic() > at and not self._stopping:
                self._start(slot)
        if self._watching and self._told and not self._stopping:
            self._watching.turn(self._table)
        by_end = {worker.process.sentinel: slot for slot, worker in self._workers.items()}
        by_pipe = {worker.pipe: slot for slot, worker in self._workers.items() if not worker.pipe.closed}
        others = [
            *(changes.sentinels if changes else []),
            *(self._watching.events if self._watching and not self._stopping else []),
        ]
        for event in wait([wake, *by_end, *by_pipe, *others], timeout=min(1.0, changes.pause) if changes else 1.0):
            if event is wake:
                wake.recv(64)
            elif event in by_pipe:
                self._heard(by_pipe[event], receive(event))
            elif self._watching and changes and isinstance(said := self._watching.heard(event), Decided):
                changes.decided(said)
        self._heed_signals()
        for slot in by_end.values():
            if slot in self._workers and not self._workers[slot].process.is_alive():
                self._ended(slot)

    def _start(self, slot: int) -> None:
        self._vacant.pop(slot, None)
        try:
            child = self.fork(f"eyas-worker-{slot}", lambda pipe: self._work(slot, pipe))
        except OSError as error:  # no more processes, files or memory at the moment
            if not self._told:
                raise ServingError(f"cannot start worker {slot}: {error.strerror or error}") from error
            log.warning(f"cannot start worker {slot} now: {error.strerror or error}")
            self._vacant[slot] = monotonic() + AGAIN_SECONDS
            return
        self._workers[slot] = _Worker(child.process, child.pipe, monotonic())
        if self._changes:
            self._changes.joined(slot)

    def _work(self, slot: int, pipe: Connection) -> None:
        """The life of a worker, in its own process."""
        # ONNX Runtime starts a thread when it is imported, and a fork would lose it: only forks import it.
        from eyas.serve.processes.worker import Place, work

        share = 1 / self._count
        sockets, watching = self._listening, self._watching
        place = Place(slot, share, self._tables, self._balance, self._gate, sockets, pipe, watching, self._weights)
        work(self._table, self._default, self._config, self._threads, place, changing=self._changes is not None)

    def _try(self, version: Version, pipe: Connection) -> None:
        """The life of a process that tries a version."""
        prove(version, self._threads, self._config, self._weights, self._listening, pipe)

    def _heard(self, slot: int, message: Message | None) -> None:
        worker = self._workers[slot]
        if message is None:
            worker.pipe.close()
        elif isinstance(message, Failed):
            if not any(one.ready for one in self._workers.values()):
                self._stop()
                raise getattr(errors, message.kind, ServingError)(message.detail)
            worker.failed = True
            log.error(f"worker {slot} cannot load what the others serve: {message.detail}")
        elif isinstance(message, Ready):
            worker.ready = True
            if not self._told:  # the others follow within moments
                self._told = True
                for line in message.models:
                    log.info(line)
                log.info(f"eyas serves on {self._url} (docs: {self._url}/docs; Ctrl-C stops it)")
        elif self._changes:
            self._changes.heard(slot, message)

    def _ended(self, slot: int) -> None:
        worker = self._workers.pop(slot)
        worker.process.join()
        worker.pipe.close()
        self._balance.leave(slot)
        self._tables.forget(slot, *GAUGES, PID)
        if self._changes:
            self._changes.left(slot)
        if self._stopping:
            return
        if worker.failed:
            self._vacant[slot] = monotonic() + AGAIN_SECONDS
            return
        self._restarts[0] += 1
        early = monotonic() - worker.started < EARLY_SECONDS and not worker.ready
        self._false_starts = self._false_starts + 1 if early else 0
        log.warning(f"worker {slot} ended with {worker.process.exitcode}; another takes its place")
        if self._false_starts >= FALSE_STARTS:
            raise ServingError(f"{FALSE_STARTS} workers in a row ended before they were ready; the log says why")
        self._start(slot)

    def _heed_signals(self) -> None:
        while self._signals:
            if self._signals.pop() != signal.SIGHUP:
                self._stop()
            elif self._changes:
                self._changes.look_now()

    def _stop(self) -> None:
        if not self._stopping:
            self._stopping = True
            for one in self._listening:
                one.close()  # the workers have theirs; once they too have closed it, connections are refused
            if self._changes:
                self._changes.stop()
        for slot in self._workers:
            self.end(slot)


@contextmanager
def _waking(
    numbers: Sequence[signal.Signals], handler: Callable[[int, FrameType | None], None]
) -> Iterator[socket.socket]:
    """A socket that can be read once one of these signals has come."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    before = {number: signal.signal(number, handler) for number in numbers}
    previous = signal.set_wakeup_fd(writing.fileno())
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(previous)
        for number, old in before.items():
            signal.signal(number, old)
        reading.close()
        writing.close()
