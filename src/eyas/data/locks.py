"""One maker at a time, among all processes of this machine."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eyas.core import console


def lock_file(target: Path) -> Path:
    """The file whose lock guards the making of `target`."""
    return target.with_name(f".{target.name}.lock")


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Be the only one that makes `target`; waits for another one. The lock dies with its holder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with lock_file(target).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.err.print(f"waiting for another process that makes {target}", markup=False)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_locked(target: Path) -> bool:
    """Whether somebody makes `target` now."""
    with lock_file(target).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
