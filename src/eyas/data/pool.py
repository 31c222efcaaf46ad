"""Decoding in several processes.

Small images cost more Python than decoding, so threads queue for the interpreter: on CIFAR-100's PNGs two threads
were slower than none and two processes 1.6 times as fast. The processes are fresh interpreters
(`python -m eyas.data.worker`) rather than forks, which may hang where threads run, or `multiprocessing`'s spawn,
which runs the user's script again.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Self

import numpy as np

from eyas.core.errors import DataError
from eyas.core.machine import usable_cores
from eyas.core.processes import start_module
from eyas.data.decode_one import DecodedImage, DecodeSettings, EncodedRow, decode_batch

BATCH_IMAGES = 256
BATCH_BYTES = 4 << 20
# The first images are decoded here, to learn what one takes: eight at a time, for half a second.
FIRST_IMAGES = 8
ALONE_SECONDS = 0.5
# Workers take about half a second to start; less work than this is not worth it.
WORTH_SECONDS = 1.0


def decode(images: Iterable[EncodedRow], total: int, settings: DecodeSettings) -> Iterator[DecodedImage]:
    """Every image decoded, in any order.

    Args:
        images: rows and their encoded images.
        total: how many there are; a short job is done here, a long one in worker processes.
        settings: what to do with each.

    Raises:
        DataError: a worker died.
    """
    waiting, cores = iter(images), usable_cores()
    done, spent = 0, 0.0
    for batch in _batches(waiting, FIRST_IMAGES):
        start = time.perf_counter()
        decoded = decode_batch(batch, settings)
        done, spent = done + len(batch), spent + time.perf_counter() - start
        yield from decoded
        if cores > 1 and spent > ALONE_SECONDS and spent / done * (total - done) > WORTH_SECONDS:
            break
    else:
        return
    with Pool(cores, settings) as pool:
        yield from pool.map(_batches(waiting, _batch_images(settings)))


class Pool:
    """Workers that each hold one batch at a time."""

    def __init__(self, workers: int, settings: DecodeSettings) -> None:
        self._settings = settings
        self._workers = dict(_start() for _ in range(workers))

    def __enter__(self) -> Self:
        for worker in self._workers:
            self._send(worker, self._settings)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection, process in self._workers.items():
            connection.close()  # the worker reads the end of the file and leaves
            if kind is not None:
                process.terminate()
            process.wait()

    def map(self, batches: Iterable[list[EncodedRow]]) -> Iterator[DecodedImage]:
        """The images of every batch decoded, as they come.

        Raises:
            DataError: a worker died.
        """
        idle = list(self._workers)
        for batch in batches:
            if not idle:
                for connection in self._ready(set(self._workers)):
                    yield from self._receive(connection)
                    idle.append(connection)
            self._send(idle.pop(), batch)
        busy = set(self._workers) - set(idle)
        while busy:
            for connection in self._ready(busy):
                yield from self._receive(connection)
                busy.discard(connection)

    def _ready(self, busy: set[Connection]) -> list[Connection]:
        return [connection for connection in wait(list(busy)) if isinstance(connection, Connection)]

    def _receive(self, connection: Connection) -> list[DecodedImage]:
        try:
            decoded: list[DecodedImage] = connection.recv()
        except (EOFError, ConnectionError) as error:
            raise self._died(connection) from error
        return decoded

    def _send(self, connection: Connection, value: object) -> None:
        try:
            connection.send(value)
        except ConnectionError as error:
            raise self._died(connection) from error

    def _died(self, connection: Connection) -> DataError:
        code = self._workers[connection].wait()
        return DataError(f"a process that decodes images died (exit code {code}); is memory short?")


def _batch_images(settings: DecodeSettings) -> int:
    """So many that a batch of decoded images stays near `BATCH_BYTES`."""
    if settings.policy is None:
        return BATCH_IMAGES // 4
    return max(1, min(BATCH_IMAGES, BATCH_BYTES // int(np.prod(settings.policy.shape))))


def _batches(images: Iterable[EncodedRow], size: int) -> Iterator[list[EncodedRow]]:
    """At most `size` images, and fewer where their encoded content reaches `BATCH_BYTES`. None is taken ahead."""
    batch: list[EncodedRow] = []
    held = 0
    for row, content in images:
        batch.append((row, content))
        held += len(content) if isinstance(content, bytes) else 0
        if len(batch) == size or held >= BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _start() -> tuple[Connection, subprocess.Popen[bytes]]:
    ours, theirs = _socket_pair()
    process = start_module("eyas.data.worker", str(theirs), pass_fds=[theirs], stdin=subprocess.DEVNULL)
    os.close(theirs)
    return Connection(ours), process


def _socket_pair() -> tuple[int, int]:
    ours, theirs = socket.socketpair()
    return ours.detach(), theirs.detach()
