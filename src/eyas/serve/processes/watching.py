"""The supervisor's side of the watcher: starts it, starts another where it dies, and ends it last."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from time import monotonic, time

from eyas.core.schema import MonitoringConfig
from eyas.serve.messages import Activate, Message, Table, receive, send
from eyas.serve.metrics import Tables
from eyas.serve.metrics.families import GAUGES, PID
from eyas.serve.monitoring.board import Board
from eyas.serve.monitoring.channel import Channel
from eyas.serve.processes.child import Child

AGAIN_SECONDS = 2.0  # between the end of one and the start of another
END_SECONDS = 10.0  # for what is on its way, once the service stops
log = logging.getLogger("eyas.serve")


class Watching:
    """Made before any process is forked.

    Args:
        config: of the monitor.
        tables: what all processes count in.
        slot: of the watcher's table.
        fork: starts a process.
        listening: the supervisor's, let go of by the watcher.
        url: of the service, as it listens.
    """

    def __init__(
        self,
        config: MonitoringConfig,
        tables: Tables,
        slot: int,
        fork: Callable[[str, Callable[[Connection], None]], Child],
        listening: Sequence[socket.socket],
        url: str,
    ) -> None:
        self.channel, self.board, self.config = Channel(), Board(), config
        self._tables, self._slot, self._fork = tables, slot, fork
        self._listening, self._url = listening, url
        self._since = time()  # the watcher has not seen what came before
        self._table: Table = ()
        self._child: Child | None = None
        self._start_at = 0.0

    @property
    def pipes(self) -> list[Connection]:
        """The ends of pipes that a forked process must let go of."""
        return [self._child.pipe] if self._child else []

    @property
    def events(self) -> list[Connection | int]:
        """What to wait for, beside the workers."""
        return [self._child.pipe, self._child.process.sentinel] if self._child else []

    def heard(self, event: object) -> Message | None:
        """What the watcher said; None where the event is no word of it."""
        return receive(self._child.pipe) if self._child and event is self._child.pipe else None

    def turn(self, table: Table) -> None:
        """See that it runs, and knows what is served."""
        child = self._child
        if child and not child.process.is_alive():
            log.warning(f"the monitor ended with {child.process.exitcode}; another takes its place")
            self._leave(child)
            self._start_at = monotonic() + AGAIN_SECONDS
        elif child and table != self._table:
            send(child.pipe, Activate(0, table))
        if self._child is None and table and monotonic() >= self._start_at:
            self._start(table)
        self._table = table

    def stop(self) -> None:
        """Once there are no workers: what they have told last is taken in, then it ends."""
        if child := self._child:
            child.pipe.close()
            child.process.join(END_SECONDS)
            if child.process.is_alive():
                log.warning(f"the monitor did not end within {END_SECONDS:g} s; what it had not saved is lost")
                child.process.kill()
            self._leave(child)

    def _start(self, table: Table) -> None:
        def live(pipe: Connection) -> None:
            from eyas.serve.monitoring.watcher import Post, watch

            post = Post(self._slot, self._tables, self.channel, self.board, pipe, self._url, self._since)
            for one in self._listening:
                one.close()
            watch(table, self.config, post)

        try:
            self._child = self._fork("eyas-monitor", live)
        except OSError as error:  # no more processes, files or memory at the moment
            log.warning(f"cannot start the monitor now: {error.strerror or error}")
            self._start_at = monotonic() + AGAIN_SECONDS

    def _leave(self, child: Child) -> None:
        child.process.join()
        child.pipe.close()
        self._tables.forget(self._slot, *GAUGES, PID)
        self._child, self._since = None, time()
