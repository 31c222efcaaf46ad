"""What a cancelled roll-out does: the first signal stops it, and none disturbs putting back."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C; a pipeline that is cancelled sends both, one after the other."""
Handler = Callable[[int, FrameType | None], object] | int | None


@contextmanager
def interrupted_once() -> Iterator[None]:
    """The first SIGINT or SIGTERM raises `KeyboardInterrupt`, those after it do nothing. For the main thread."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        _handle(signal.SIG_IGN)
        raise KeyboardInterrupt

    before = _handle(interrupt)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def ignore() -> None:
    """From now on neither does anything, until `interrupted_once` is left."""
    _handle(signal.SIG_IGN)


def _handle(handler: Handler) -> dict[signal.Signals, Handler]:
    """Gives what did before."""
    return {one: signal.signal(one, handler) for one in SIGNALS}
