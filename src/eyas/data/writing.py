"""Writing in the cache: one maker at a time among all processes, and what the disk refuses told as a sentence."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from eyas.core import console
from eyas.core.errors import DataError
from eyas.core.io import cache_dir
from eyas.core.locks import try_hold

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_error(error: OSError) -> DataError:
    """What to say of a write in the cache that failed."""
    if error.errno in FULL:
        return DataError(f"disk full while caching in {cache_dir()}: {error.strerror}")
    return DataError(f"cannot write the cache {cache_dir()}: {error}; EYAS_CACHE_DIR names another place")


@contextmanager
def writing_cache() -> Iterator[None]:
    """Around writes alone: turn their failure into an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise write_error(error) from error


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Be the only one that makes `target`; waits for another one. The lock dies with its holder.

    Raises:
        DataError: no file can be made beside `target`.
    """
    with _lock_file(target) as file:
        if not try_hold(file):
            console.err.print(f"waiting for another process that makes {target}", markup=False)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_locked(target: Path) -> bool:
    """Whether somebody makes `target` now."""
    with _lock_file(target) as file:
        return not try_hold(file)


def _lock_file(target: Path) -> IO[str]:
    """Its lock guards the making of `target`."""
    with writing_cache():
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.with_name(f".{target.name}.lock").open("w")
