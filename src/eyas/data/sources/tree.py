"""Files by name, whether they lie in a folder or inside an archive."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from eyas.core.errors import DataError
from eyas.core.io import CHUNK, sha256_file
from eyas.image import is_junk


class Tree(Protocol):
    """Named files. Names are relative, with forward slashes, sorted, and none `is_junk`."""

    @property
    def where(self) -> str:
        """What a message calls the whole."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """Every file."""
        ...

    @property
    def folders(self) -> Sequence[str]:
        """Folders that hold nothing at all."""
        ...

    def read(self, name: str) -> bytes:
        """One file whole."""
        ...

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | Path]]:
        """These files, as content or as a path to it, in the order that costs least."""
        ...

    def signature(self) -> str:
        """Hex digest of names, sizes and times, and of empty folders."""
        ...

    def content_key(self) -> str:
        """Hex digest of names and contents, and of empty folders."""
        ...


class PathTree:
    """Files on disk under names of their own. Paths are kept as text: there can be millions."""

    def __init__(self, where: str, paths: Mapping[str, str], folders: Sequence[str] = ()) -> None:
        self.where = where
        self._paths = dict(sorted(paths.items()))
        self.names: Sequence[str] = tuple(self._paths)
        self.folders = folders

    def path(self, name: str) -> Path:
        """Where the file lies."""
        return Path(self._paths[name])

    def read(self, name: str) -> bytes:
        """See `Tree`."""
        try:
            return self.path(name).read_bytes()
        except OSError as error:
            raise DataError(f"cannot read {self._paths[name]}: {error.strerror}") from error

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | Path]]:
        """See `Tree`."""
        return ((name, self.path(name)) for name in names)

    def signature(self) -> str:
        """See `Tree`."""
        made = hashlib.sha256(self._folder_lines())
        for name, path in self._paths.items():
            made.update(f"{name}\0{_stamp(path)}\n".encode(errors="surrogateescape"))
        return made.hexdigest()

    def content_key(self) -> str:
        """See `Tree`."""
        made = hashlib.sha256(self._folder_lines())
        for name, path in self._paths.items():
            try:
                made.update(f"{name}\0{_sha256(path)}\n".encode(errors="surrogateescape"))
            except OSError as error:
                raise DataError(f"cannot read {path}: {error.strerror}") from error
        return made.hexdigest()

    def _folder_lines(self) -> bytes:
        return "".join(f"{folder}/\n" for folder in sorted(self.folders)).encode(errors="surrogateescape")


def folder_tree(root: Path) -> PathTree:
    """Every file below `root` that is not hidden. Links are followed, each folder once."""
    paths: dict[str, str] = {}
    empty: list[str] = []
    _walk(str(root), "", paths, empty, set())
    return PathTree(str(root), paths, empty)


def _walk(folder: str, prefix: str, paths: dict[str, str], empty: list[str], seen: set[tuple[int, int]]) -> None:
    status = Path(folder).stat()
    if (status.st_dev, status.st_ino) in seen:  # a link back up
        return
    seen.add((status.st_dev, status.st_ino))
    before = len(paths)
    try:
        entries = [entry for entry in os.scandir(folder) if not is_junk(entry.name)]
    except OSError as error:
        raise DataError(f"cannot list {folder}: {error.strerror}") from error
    for entry in entries:
        if entry.is_dir():
            _walk(entry.path, f"{prefix}{entry.name}/", paths, empty, seen)
        elif entry.is_file():
            paths[prefix + entry.name] = entry.path
    if prefix and len(paths) == before:
        empty.append(prefix.rstrip("/"))


class SubTree:
    """A tree seen from one of its folders."""

    def __init__(self, tree: Tree, prefix: str) -> None:
        self._tree, self._prefix = tree, prefix
        self.where = tree.where
        self.names: Sequence[str] = _below(tree.names, prefix)
        self.folders: Sequence[str] = _below(tree.folders, prefix)

    def read(self, name: str) -> bytes:
        """See `Tree`."""
        return self._tree.read(self._prefix + name)

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | Path]]:
        """See `Tree`."""
        for name, content in self._tree.stream(self._prefix + name for name in names):
            yield name.removeprefix(self._prefix), content

    def signature(self) -> str:
        """See `Tree`."""
        return self._tree.signature()

    def content_key(self) -> str:
        """See `Tree`."""
        return self._tree.content_key()


def _below(names: Iterable[str], prefix: str) -> tuple[str, ...]:
    return tuple(name.removeprefix(prefix) for name in names if name.startswith(prefix))


def _sha256(path: str) -> str:
    """The file's SHA-256; small files in one read, which is what most images are."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as in `_stamp`
        start = file.read(CHUNK)
    return hashlib.sha256(start).hexdigest() if len(start) < CHUNK else sha256_file(Path(path))


def _stamp(path: str) -> str:
    try:
        status = os.stat(path)  # noqa: PTH116 - a `Path` for each of 60,000 files would double the time
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
