"""Run folders between machines: as bytes by path, and only what is new."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from eyas.core import io

Files = Mapping[str, bytes]
"""Path in a run folder → content."""
LAST = "last.pt"
Stamp = tuple[int, int, int]


class Changes:
    """The files of a run folder that are new, or other, since the last look."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = _stamps(folder)

    def take(self) -> Files:
        """Them, and from now on they are known."""
        now = _stamps(self._folder)
        changed = [name for name, stamp in now.items() if self._known.get(name) != stamp]
        self._known = now
        return {name: (self._folder / name).read_bytes() for name in changed}


def read_files(folder: Path) -> Files:
    """All of a run folder; empty where there is none."""
    return {name: (folder / name).read_bytes() for name in _stamps(folder)}


def write_files(folder: Path, files: Files) -> None:
    """Each whole or not at all, and the checkpoint last: what it speaks of is then there."""
    for name in sorted(files, key=lambda name: name == LAST):
        io.write_bytes(folder / name, files[name])


def replace_folder(folder: Path, files: Files) -> None:
    """The folder as it is elsewhere: an older copy may be here from an earlier part of the run."""
    shutil.rmtree(folder, ignore_errors=True)
    write_files(folder, files)


def _stamps(folder: Path) -> dict[str, Stamp]:
    """Of files that are whole: those under way have names that begin with a dot."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.name.startswith("."):
            about = file.stat()
            found[file.relative_to(folder).as_posix()] = (about.st_mtime_ns, about.st_size, about.st_ino)
    return found
