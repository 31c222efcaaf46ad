"""A process forked from the supervisor: a worker, or one that only tries a version."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess


@dataclass
class Child:
    """The supervisor's side of it."""

    process: BaseProcess
    pipe: Connection


def fork(name: str, body: Callable[[Connection], None], others: Iterable[Connection]) -> Child:
    """Start `body` in a process of its own, with its end of a pipe.

    Args:
        others: the supervisor's ends of other pipes: who has a copy keeps them open when the supervisor is gone.
    """
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_begin, args=(body, [*others, ours], theirs), name=name)
    process.start()
    theirs.close()
    return Child(process, ours)


def _begin(body: Callable[[Connection], None], others: Iterable[Connection], pipe: Connection) -> None:
    """In the new process: what belongs to the supervisor alone is let go of."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:  # it is for the supervisor, and may come to the group
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for other in others:
        other.close()
    body(pipe)
