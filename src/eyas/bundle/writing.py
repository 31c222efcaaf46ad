"""One writer of a folder at a time, and copies that the disk holds before they are named."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from eyas.bundle.folder import MANIFEST, Bundle
from eyas.core import io
from eyas.core.errors import BundleError

LOCK = ".lock"
PAUSE = 0.02  # seconds between two tries


@contextmanager
def only_writer(folder: Path, seconds: float) -> Iterator[None]:
    """Be the one writer of a folder, which is made where there is none. The lock goes with its process.

    Args:
        seconds: how long to wait for another writer.

    Raises:
        BundleError: another one is still at it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as file:
        deadline = monotonic() + seconds
        while not _try_lock(file.fileno()):
            if monotonic() > deadline:
                raise BundleError(f"another process has been writing to {folder} for {seconds:g} s; try again later")
            sleep(PAUSE)
        yield


def copy_bundle(source: Bundle, target: Path) -> None:
    """Copy what the manifest lists, and the manifest, into a folder; the disk has it all in the end."""
    for name in (*source.manifest.files, MANIFEST):
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.path / name, file)
        io.sync(file)
    io.sync(target)


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
