"""Graphs are optimised before the workers load them, so that these can share their weights; see `weights`."""

from __future__ import annotations

import logging
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from eyas.bundle.folder import MODEL
from eyas.core.errors import EyasError
from eyas.core.machine import usable_cores
from eyas.core.schema import ServeConfig
from eyas.serve.messages import Table
from eyas.serve.processes.child import Child

SHARED_BYTES = 4_000_000  # of a graph, at least: of smaller ones a worker would save little
LOOK_SECONDS = 0.1  # between two looks whether the service is to end
log = logging.getLogger("eyas.serve")


@contextmanager
def weights_folder(config: ServeConfig) -> Iterator[Path | None]:
    """Where optimised graphs are kept while the service runs; None where its workers share nothing."""
    workers, _ = config.shares(usable_cores())
    if workers == 1 or not config.share_weights:
        yield None
        return
    try:
        folder = Path(tempfile.mkdtemp(prefix="eyas-weights-"))
    except OSError as error:
        log.warning(f"each worker has weights of its own: {error}")
        yield None
        return
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def worth_it(bundle: Path) -> bool:
    """Whether a bundle's graph is large enough."""
    graph = bundle / MODEL
    return graph.is_file() and graph.stat().st_size >= SHARED_BYTES


def optimise(
    table: Table,
    config: ServeConfig,
    folder: Path,
    listening: Sequence[socket.socket],
    fork: Callable[[str, Callable[[Connection], None]], Child],
    stopping: Callable[[], bool],
) -> None:
    """Optimise what is served at first, in a process of its own; after `prepare_seconds` it is given up.

    Whatever becomes of that: a worker that finds nothing has weights of its own.

    Args:
        listening: the supervisor's, let go of.
        fork: starts a process by that name.
        stopping: whether the service is to end, and this process with it.
    """
    if not any(worth_it(Path(one.path)) for served in table for one in served.versions):
        return
    try:
        child = fork("eyas-optimise", lambda pipe: _optimise(table, config, folder, listening))
    except OSError as error:
        log.warning(f"each worker has weights of its own: {error.strerror or error}")
        return
    while child.process.is_alive():
        if stopping():
            child.process.kill()
        child.process.join(LOOK_SECONDS)
    child.pipe.close()


def _optimise(table: Table, config: ServeConfig, folder: Path, listening: Sequence[socket.socket]) -> None:
    """The life of that process."""
    # ONNX Runtime starts a thread when it is imported, and a fork would lose it: the supervisor does not import it.
    from eyas.serve.processes.shelf import opened
    from eyas.serve.processes.weights import make

    for one in listening:
        one.close()
    signal.setitimer(signal.ITIMER_REAL, config.prepare_seconds)
    for served in table:
        for version in served.versions:
            try:
                make(folder, opened(version, config))
            except EyasError as error:  # the workers will say so, and not start
                log.warning(f"{version.path} is not optimised: {error}")
