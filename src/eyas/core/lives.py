"""Whether a run or a study goes on, and how it ended: `state.json`, and a lock that ends with the process that trains.

The lock tells a run that was killed from one whose epoch takes long: the kernel lets go of it with the process. Who
trains holds it alone, and who looks tries to share it: on NFS an exclusive lock needs a file open for writing, a shared
one needs it open for reading (flock(2)).
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any, Literal

from eyas.core import console, io
from eyas.core.errors import ResumeError
from eyas.core.locks import try_hold
from eyas.core.marks import LOCK, STATE
from eyas.core.moments import iso

Ended = Literal["finished", "paused", "stopped", "failed"]
ATTEMPTS, PAUSE_SECONDS = 5, 0.01
"""To take the lock; who only looks has it for an instant."""


class Life:
    """Of a run or a study, from the process that trains it."""

    state: Ended | None = None
    cause = ""

    def ended(self, state: Ended, cause: str = "") -> None:
        """How it has ended; said once the block is left."""
        self.state, self.cause = state, cause.encode(errors="backslashreplace").decode()


@contextmanager
def living(folder: Path, **about: Any) -> Iterator[Life]:
    """Hold the lock of a run, and keep its `state.json` as `noted` does.

    Training goes on where no lock is to be had: a file system without any, a lock file of another user.
    """
    with _locked(folder / LOCK) as locked, noted(folder, locked=locked, **about) as life:
        yield life


@contextmanager
def noted(folder: Path, *, locked: bool, **about: Any) -> Iterator[Life]:
    """Keep a `state.json`: `running` within the block, then how it ended.

    A block that an exception ends has failed with that cause, or was stopped by Ctrl-C; one that says nothing, stopped.

    Args:
        folder: of the run or the study.
        locked: whether its lock is held all the while.
        about: what else the file says: plain values.
    """
    life = Life()
    values = {"locked": locked, "began": iso(), "ended": None, "host": socket.gethostname(), "cause": "", **about}
    _note(folder, {"state": "running", **values})
    try:
        yield life
    except Exception as error:
        life.ended(life.state or "failed", life.cause or str(error) or type(error).__name__)
        raise
    finally:
        _note(folder, {"state": life.state or "stopped", **values, "ended": iso(), "cause": life.cause})


def standing(said: Mapping[str, Any], *, held: bool | None) -> str:
    """Running, killed, elsewhere (nobody here can know whether it runs), or how it ended; empty where that is not said.

    Args:
        said: what `state.json` holds.
        held: as `is_held` gives it, of a look before `state.json` was read: the lock is let go of last.
    """
    if said.get("state") != "running":
        return str(said.get("state") or "")
    if held:
        return "running"
    free = held is False and said.get("locked") and said.get("host") == socket.gethostname()
    return "killed" if free else "elsewhere"


def is_held(descriptor: int) -> bool | None:
    """Whether a process holds the lock of a file that is open for reading; None where that cannot be known.

    It is let go of at once where nobody holds it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return None
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def seen(folder: Path) -> tuple[dict[str, Any], str]:
    """What a run or a study says of itself, and its `standing`; nothing, where it has no `state.json`.

    Raises:
        OSError, ValueError: it cannot be read, or holds no mapping.
    """
    said: dict[str, Any] = {}
    state = ""
    for _ in range(2):  # it may begin between the two looks
        held = _looked(folder / LOCK)
        said = io.read_json(folder / STATE) if (folder / STATE).exists() else {}
        if not isinstance(said, dict):
            raise ValueError(f"{folder / STATE} must hold a mapping, got {type(said).__name__}")  # noqa: TRY004 - a file
        state = standing(said, held=held)
        if state != "killed":
            break
    return said, state


def require_idle(folder: Path) -> None:
    """Refuse a run whose lock a process holds.

    Raises:
        ResumeError: names the process and its machine.
    """
    if not _looked(folder / LOCK):
        return
    try:
        said, _ = seen(folder)
        who = f"process {said['pid']} on {said['host']}"
    except (OSError, ValueError, KeyError):  # the lock counts, whatever lies beside it
        who = f"a process that {folder / STATE} does not name"
    raise ResumeError(f"{folder} is being trained by {who}; wait for it, or stop it with Ctrl-C")


def _looked(file: Path) -> bool | None:
    """`is_held` of a file; None too where there is none: it may have been left behind."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except OSError:
        return None
    try:
        return is_held(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(file: Path) -> Iterator[bool]:
    """Whether it is locked within the block."""
    descriptor = _opened(file)
    try:
        yield descriptor is not None and _hold(descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _opened(file: Path) -> int | None:
    """To be locked; another user's for reading alone, which is enough but on NFS."""
    for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):
        try:
            return os.open(file, flags, 0o666)
        except OSError:
            continue
    return None


def _hold(descriptor: int) -> bool:
    """Without waiting for a process that trains there too: the lock stays that one's."""
    for _ in range(ATTEMPTS):
        try:
            if try_hold(descriptor):
                return True
        except OSError:  # a file system without locks
            return False
        sleep(PAUSE_SECONDS)
    return False


def _note(folder: Path, values: Mapping[str, Any]) -> None:
    """A note that cannot be written neither ends a training nor hides what has ended it."""
    try:
        io.write_json(folder / STATE, values)
    except OSError as error:
        console.warn(f"{folder / STATE} does not say {values['state']}: {error}")
