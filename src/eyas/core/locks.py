"""The lock of an open file, which ends with the process that holds it, however that ends: flock(2)."""

from __future__ import annotations

import fcntl
from typing import IO, Any


def try_hold(file: IO[Any] | int) -> bool:
    """Whether this process now has the lock, alone; it is let go of as the file is closed.

    Raises:
        OSError: the file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
