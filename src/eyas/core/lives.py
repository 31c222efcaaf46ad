"""Whether a run is being trained, and how it ended: `state.json`, and a lock that ends with the process that trains.

The lock tells a run that was killed from one whose epoch takes long: the kernel lets go of it with the process.
"""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from eyas.core import io

STATE = "state.json"
LOCK = ".lock"
Ended = Literal["finished", "paused", "stopped", "failed"]


class Life:
    """Of a run, from the process that trains it."""

    state: Ended | None = None
    cause = ""

    def ended(self, state: Ended, cause: str = "") -> None:
        """How it has ended; said once the block is left."""
        self.state, self.cause = state, cause


@contextmanager
def living(folder: Path, **about: Any) -> Iterator[Life]:
    """Hold the run's lock, and keep its `state.json`: `running` within the block, then how it ended.

    A block that an exception ends has failed with that cause, or was stopped by Ctrl-C; one that says nothing, stopped.

    Args:
        folder: of the run.
        about: what else the file says: plain values.
    """
    life, began = Life(), _now()
    values = {"began": began, "ended": None, "host": socket.gethostname(), "cause": "", **about}
    with (folder / LOCK).open("a") as file:
        lockable = _hold(file.fileno())
        io.write_json(folder / STATE, {"state": "running", "locked": lockable, **values})
        try:
            yield life
        except Exception as error:
            life.ended(life.state or "failed", life.cause or str(error) or type(error).__name__)
            raise
        finally:
            said = {"state": life.state or "stopped", "locked": lockable, **values}
            io.write_json(folder / STATE, said | {"ended": _now(), "cause": life.cause})


def is_held(descriptor: int) -> bool:
    """Whether a process of this machine holds the lock of an open file; it is let go of at once where none does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks; `state.json` says so
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _hold(descriptor: int) -> bool:
    """Hold the lock beside others, who only look; False on a file system that has none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except OSError:
        return False
    return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
