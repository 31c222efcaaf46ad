"""A version is tried in a process of its own first: a graph that crashes or hangs takes no worker with it."""

from __future__ import annotations

import signal
import socket
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from eyas.core.schema import ServeConfig
from eyas.serve.messages import Prepared, Refused, Version, receive, send
from eyas.serve.processes.child import Child


def prove(
    version: Version,
    threads: int,
    config: ServeConfig,
    weights: Path | None,
    listening: Sequence[socket.socket],
    pipe: Connection,
) -> None:
    """The life of that process: load, prove, say how it went. After `prepare_seconds` it ends, whatever it is at.

    Args:
        threads: of ONNX Runtime, for one prediction.
        weights: where the workers will look for its optimised graph.
        listening: the supervisor's, let go of.
        pipe: to the supervisor.
    """
    # ONNX Runtime starts a thread when it is imported, and a fork would lose it: the supervisor does not import it.
    from eyas.serve.processes.shelf import attempt
    from eyas.serve.processes.weights import make

    for one in listening:
        one.close()
    signal.setitimer(signal.ITIMER_REAL, config.prepare_seconds)
    outcome = attempt(version, threads, config)
    send(pipe, outcome if isinstance(outcome, Refused) else Prepared(version))
    if weights and not isinstance(outcome, Refused):  # proved already: no version is refused for what this comes to
        make(weights, outcome.bundle)


def verdict(child: Child, seconds: float) -> str | None:
    """Of a process that has ended: why the version is refused, None where it is proved."""
    child.process.join()
    message = receive(child.pipe) if child.pipe.poll() else None
    child.pipe.close()
    if isinstance(message, Prepared):
        return None
    if isinstance(message, Refused):
        return message.reason
    code = child.process.exitcode or 0
    if code == -signal.SIGALRM:
        return f"it was not loaded and proved within {seconds:g} s (serve.prepare_seconds)"
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"the process that tried it crashed ({how})"
