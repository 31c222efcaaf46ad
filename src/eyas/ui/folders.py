"""Reading below one folder and nowhere else: no part of a path may be a link, hidden, or lead up."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from eyas.core.lives import is_held

MOST_BYTES = 50_000_000
"""Of a file; a larger one is none of those that are shown."""
T = TypeVar("T")
Signature = tuple[int, int, int]
"""Inode, time of the last change in ns, bytes: another one, and the file is another."""


@dataclass(frozen=True)
class Folder:
    """An open folder. What is not there, or is no plain file or folder, is None."""

    descriptor: int
    path: str
    """Below the folder of runs, with `/`; empty for that folder itself."""

    @property
    def name(self) -> str:
        """Its last part."""
        return self.path.rpartition("/")[2]

    def made(self, file: str) -> str:
        """A word for the folder and what a file of it was written as: another one, and it was made anew.

        The inode alone does not tell: ext4 gives that of a folder that was deleted to the next.
        """
        found = self.stat(file)
        return f"{os.fstat(self.descriptor).st_ino:x}-{found.st_mtime_ns if found else 0:x}"

    def folders(self) -> list[str]:
        """Names of the folders in it, sorted, hidden ones and links left out."""
        with os.scandir(self.descriptor) as entries:
            return sorted(one.name for one in entries if _is_plain(one.name) and one.is_dir(follow_symlinks=False))

    def files(self) -> list[str]:
        """Names of the plain files in it, as of `folders`."""
        with os.scandir(self.descriptor) as entries:
            return sorted(one.name for one in entries if _is_plain(one.name) and one.is_file(follow_symlinks=False))

    def stat(self, name: str) -> os.stat_result | None:
        """Of a plain file in it."""
        try:
            found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except OSError:
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    @contextmanager
    def folder(self, name: str) -> Iterator[Folder | None]:
        """A folder in it."""
        if not _is_plain(name):
            yield None
            return
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        try:
            descriptor = os.open(name, flags, dir_fd=self.descriptor)
        except (OSError, ValueError):  # ValueError: a zero byte in the name
            yield None
            return
        try:
            yield Folder(descriptor, f"{self.path}/{name}" if self.path else name)
        finally:
            os.close(descriptor)

    def read(self, name: str) -> tuple[bytes, Signature] | None:
        """A file's content, and what it was read as."""
        with self._file(name) as descriptor:
            if descriptor is None:
                return None
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
                return None
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(), signature(found)

    def held(self, name: str) -> bool | None:
        """Whether a process holds the lock of a file; None where that cannot be known: it may have been left behind."""
        with self._file(name) as descriptor:
            return None if descriptor is None else is_held(descriptor)

    @contextmanager
    def _file(self, name: str) -> Iterator[int | None]:
        """A pipe or a device is opened without waiting for its other end."""
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self.descriptor)
        except (OSError, ValueError):
            yield None
            return
        try:
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def open_folder(root: Path, path: str = "") -> Iterator[Folder | None]:
    """A folder below `root`, by its parts with `/` between them; None where the path leads to none."""
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield None
        return
    try:
        with _descend(Folder(descriptor, ""), path.split("/") if path else []) as found:
            yield found
    finally:
        os.close(descriptor)


@contextmanager
def _descend(folder: Folder, parts: list[str]) -> Iterator[Folder | None]:
    if not parts:
        yield folder
        return
    with folder.folder(parts[0]) as found:
        if found is None:
            yield None
        else:
            with _descend(found, parts[1:]) as last:
                yield last


class Parsed:
    """What files say, parsed once for each of their states.

    A file that cannot be parsed counts as it was before: somebody may just be writing it.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[Signature, Any]] = {}

    def get(self, folder: Folder, name: str, parse: Callable[[bytes], T]) -> T | None:
        """What a file says; None where there is none, or it never said anything."""
        found, key = folder.stat(name), (folder.path, name)
        if found is None:
            self._known.pop(key, None)
            return None
        known = self._known.get(key)
        if known and known[0] == signature(found):
            value: T = known[1]
            return value
        content = folder.read(name)
        if content is None:
            return None
        try:
            value = parse(content[0])
        except (ValueError, KeyError, TypeError, AttributeError):
            return known[1] if known else None
        self._known[key] = content[1], value
        return value

    def keep(self, folders: Collection[str]) -> None:
        """Forget the files that are neither in these folders nor below them."""
        self._known = {key: known for key, known in self._known.items() if _is_below(key[0], folders)}


def signature(found: os.stat_result) -> Signature:
    """Of a file's state."""
    return found.st_ino, found.st_mtime_ns, found.st_size


def _is_below(path: str, folders: Collection[str]) -> bool:
    while path not in folders and path:
        path = path.rpartition("/")[0]
    return path in folders


def _is_plain(name: str) -> bool:
    """Whether it is one visible name in UTF-8: not empty, not `..`."""
    return bool(name) and not name.startswith(".") and "/" not in name and name == name.encode(errors="ignore").decode()
