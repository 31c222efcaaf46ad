"""One writer of a folder at a time, and copies that the disk holds before they are named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from eyas.bundle.folder import Bundle
from eyas.core import io
from eyas.core.errors import BundleError
from eyas.core.locks import try_hold
from eyas.core.marks import LOCK, MANIFEST

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
        while not try_hold(file):
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
