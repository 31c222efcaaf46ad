"""Decoding in several processes.

Small images cost more Python than decoding, so threads queue for the interpreter: on CIFAR-100's PNGs two threads
were slower than none and two processes 1.7 times as fast. The processes are fresh interpreters
(`python -m eyas.data.worker`) rather than forks, which may hang where threads run, or `multiprocessing`'s spawn,
which runs the user's script again.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Self

import numpy as np

from eyas.core.errors import DataError
from eyas.core.machine import usable_cores
from eyas.data.decode import Item, Outcome, Task, decode_batch

BATCH_IMAGES = 256
BATCH_BYTES = 4 << 20
# Two workers take about 0.4 s to start, in which one process decodes about 4,000 small images.
POOL_FROM = 4_000


def decode(items: Iterable[Item], total: int, task: Task) -> Iterator[Outcome]:
    """The outcome of every item, in any order.

    Args:
        items: rows and their encoded images.
        total: how many there are; few are decoded here, many in worker processes.
        task: what to do with each.

    Raises:
        DataError: a worker died.
    """
    batches = _batches(items, _batch_images(task))
    if total < POOL_FROM or usable_cores() == 1:
        for batch in batches:
            yield from decode_batch(batch, task)
        return
    with Pool(usable_cores(), task) as pool:
        yield from pool.map(batches)


class Pool:
    """Workers that each hold one batch at a time."""

    def __init__(self, workers: int, task: Task) -> None:
        self._task = task
        self._workers = dict(_start() for _ in range(workers))

    def __enter__(self) -> Self:
        for worker in self._workers:
            worker.send(self._task)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection, process in self._workers.items():
            connection.close()  # the worker reads the end of the file and leaves
            if kind is not None:
                process.terminate()
            process.wait()

    def map(self, batches: Iterable[list[Item]]) -> Iterator[Outcome]:
        """The outcomes of every batch, as they come.

        Raises:
            DataError: a worker died.
        """
        idle = list(self._workers)
        for batch in batches:
            if not idle:
                for connection in self._ready(set(self._workers)):
                    yield from self._receive(connection)
                    idle.append(connection)
            idle.pop().send(batch)
        busy = set(self._workers) - set(idle)
        while busy:
            for connection in self._ready(busy):
                yield from self._receive(connection)
                busy.discard(connection)

    def _ready(self, busy: set[Connection]) -> list[Connection]:
        return [connection for connection in wait(list(busy)) if isinstance(connection, Connection)]

    def _receive(self, connection: Connection) -> list[Outcome]:
        try:
            outcomes: list[Outcome] = connection.recv()
        except (EOFError, ConnectionError) as error:
            code = self._workers[connection].wait()
            raise DataError(f"a process that decodes images died (exit code {code}); is memory short?") from error
        return outcomes


def _batch_images(task: Task) -> int:
    """So many that a batch of results stays near `BATCH_BYTES`."""
    if task.policy is None:
        return BATCH_IMAGES // 4
    return max(1, min(BATCH_IMAGES, BATCH_BYTES // int(np.prod(task.policy.shape))))


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    waiting = iter(items)
    while batch := list(islice(waiting, size)):
        yield batch


def _start() -> tuple[Connection, subprocess.Popen[bytes]]:
    ours, theirs = _socket_pair()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "eyas.data.worker", str(theirs)],
        pass_fds=[theirs],
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    os.close(theirs)
    return Connection(ours), process


def _socket_pair() -> tuple[int, int]:
    ours, theirs = socket.socketpair()
    return ours.detach(), theirs.detach()
