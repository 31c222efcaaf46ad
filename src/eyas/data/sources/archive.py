"""Files inside `.zip` and `.tar` archives, read where they lie: nothing is unpacked to disk.

Every member is checked before any is read, so an archive that climbs out of its folder, links, or unpacks to far
more than it should is refused whole.
"""

from __future__ import annotations

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Self

from eyas.core.errors import DataError, UnsafeDataError
from eyas.data.sources.bombs import MAX_ARRAYS, MAX_IMAGE, refuse_bomb
from eyas.data.sources.tree import PathTree, Tree
from eyas.image import is_image_path, is_junk

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tbz")
# ImageNet-21k, the largest set in common use, has 14 million images in 1.2 TB.
MAX_MEMBERS = 20_000_000
MAX_BYTES = 2 << 40
# Long names and PAX headers, which tarfile reads whole.
MAX_TAR_HEADER = 1 << 20
# A tar of up to this much is kept in memory by the pass that lists it, which saves unpacking it a second time.
KEEP_BYTES = 256 << 20
HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,
    ValueError,  # a name that is no text
)


def is_archive(name: str) -> bool:
    """Whether the name ends like an archive's."""
    return name.lower().endswith(SUFFIXES)


def open_archive(path: Path) -> Tree:
    """The archive as a tree; it is first opened when its names are asked for."""
    return ZipTree(path) if path.name.lower().endswith(".zip") else TarTree(path)


class Gate:
    """Lets safe members of one archive pass, and stops it as a whole when it grows too large."""

    def __init__(self, path: Path) -> None:
        self._path, self._packed = path, max(1, path.stat().st_size)
        self._count = self._bytes = 0
        self._seen: set[str] = set()

    def check(self, name: str, size: int, *, is_file: bool) -> str:
        """The member's clean name.

        Raises:
            UnsafeDataError: it leaves the archive's folder, stands twice, or unpacks to too much.
        """
        self._count += 1
        self._bytes += size
        pieces = _pieces(name)
        if "\\" in name or "\0" in name or ".." in pieces or name.startswith("/") or name[1:2] == ":":
            raise UnsafeDataError(f"{self._path}: the member {name!r} leads out of the archive; refused")
        clean = "/".join(pieces)
        if is_file and clean in self._seen:
            raise UnsafeDataError(f"{self._path}: the member {name!r} stands twice; refused")
        self._seen.add(clean)
        if self._count > MAX_MEMBERS:
            raise UnsafeDataError(f"{self._path} has more than {MAX_MEMBERS:,} members; refused at {name!r}")
        if size < 0:
            raise UnsafeDataError(f"{self._path}: the member {name!r} has a size of {size}; refused")
        refuse_bomb(self._bytes, self._packed, f"{self._path}: up to {name!r} it", MAX_BYTES)
        refuse_bomb(size, self._packed, f"{self._path}: {name!r}", MAX_IMAGE if is_image_path(clean) else MAX_ARRAYS)
        return clean


class BoundedTarInfo(tarfile.TarInfo):
    """Refuses headers that would fill the memory before the gate sees a member."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """See `tarfile.TarInfo`."""
        made = super().frombuf(buf, encoding, errors)
        if made.type in HEADERS and not 0 <= made.size <= MAX_TAR_HEADER:
            raise UnsafeDataError(
                f"a name or PAX header of {made.size:,} bytes; at most {MAX_TAR_HEADER:,} are read; refused"
            )
        return made


class Archive:
    """What zip and tar have in common: the archive file is what is stamped and hashed."""

    def __init__(self, path: Path) -> None:
        self.path, self.where = path, str(path)
        self._file = PathTree(self.where, {path.name: self.where})

    def signature(self) -> str:
        """See `Tree`."""
        return self._file.signature()

    def content_key(self) -> str:
        """See `Tree`."""
        return self._file.content_key()


class ZipTree(Archive):
    """Files in a `.zip`."""

    @cached_property
    def _members(self) -> tuple[dict[str, zipfile.ZipInfo], list[str]]:
        """Files by name, and folders."""
        files: dict[str, zipfile.ZipInfo] = {}
        folders = []
        gate = Gate(self.path)
        with _damage(self.path), zipfile.ZipFile(self.path) as archive:
            for member in archive.infolist():
                name = gate.check(member.filename, member.file_size, is_file=not member.is_dir())
                kind = stat.S_IFMT(member.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise UnsafeDataError(f"{self.path}: {member.filename!r} is a link or a device; refused")
                if member.is_dir():
                    folders.append(name)
                elif not is_junk(name):
                    files[name] = member
        return dict(sorted(files.items())), folders

    @cached_property
    def names(self) -> Sequence[str]:
        """See `Tree`."""
        return tuple(self._members[0])

    @cached_property
    def folders(self) -> Sequence[str]:
        """See `Tree`."""
        return _empty(self._members[1], self.names)

    def read(self, name: str) -> bytes:
        """See `Tree`."""
        return next(content for _, content in self.stream([name]))

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """See `Tree`."""
        files = self._members[0]
        with _damage(self.path), zipfile.ZipFile(self.path) as archive:
            for name in names:
                yield name, archive.read(files[name])


class TarTree(Archive):
    """Files in a `.tar`, plain or compressed."""

    @cached_property
    def _scanned(self) -> tuple[dict[str, bytes | None], list[str]]:
        """Files by name with their content, None where the whole is too large to keep; and folders."""
        files: dict[str, bytes | None] = {}
        folders: list[str] = []
        kept = 0
        gate = Gate(self.path)
        for archive, member in self._walk():
            name = gate.check(member.name, member.size, is_file=member.isreg())
            if member.isdir():
                folders.append(name)
            elif not member.isreg():
                raise UnsafeDataError(f"{self.path}: {member.name!r} is a link or a device; refused")
            elif not is_junk(name):
                kept += member.size
                files[name] = self._content(archive, member) if kept <= KEEP_BYTES else None
        return dict(sorted(files.items())), folders

    @cached_property
    def names(self) -> Sequence[str]:
        """See `Tree`."""
        return tuple(self._scanned[0])

    @cached_property
    def folders(self) -> Sequence[str]:
        """See `Tree`."""
        return _empty(self._scanned[1], self.names)

    def read(self, name: str) -> bytes:
        """See `Tree`."""
        return next(content for _, content in self.stream([name]))

    def stream(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """See `Tree`: those kept in memory, then the others as they come in the archive."""
        rest: set[str] = set()
        for name in names:
            content = self._scanned[0][name]
            if content is None:
                rest.add(name)
            else:
                yield name, content
        if rest:
            yield from self._unpack(rest)

    def _unpack(self, names: set[str]) -> Iterator[tuple[str, bytes]]:
        for archive, member in self._walk():
            name = "/".join(_pieces(member.name))
            if name in names:
                yield name, self._content(archive, member)

    def _content(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
        with _damage(self.path):
            file = archive.extractfile(member)
            content = file.read() if file else b""
            if len(content) != member.size:
                raise EOFError(f"it ends within {member.name}")
        return content

    def _walk(self) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
        try:
            with _damage(self.path), tarfile.open(self.path, tarinfo=BoundedTarInfo) as archive:
                while (member := archive.next()) is not None:
                    yield archive, member
                    archive.members.clear()  # type: ignore[attr-defined]  # it would remember every one of millions
        except UnsafeDataError as error:
            raise UnsafeDataError(f"{self.path}: {error}") from None


def _pieces(name: str) -> list[str]:
    return [piece for piece in name.split("/") if piece not in ("", ".")]


def _empty(folders: Iterable[str], names: Sequence[str]) -> tuple[str, ...]:
    """Those folders that hold no file."""
    filled = {name.rpartition("/")[0] for name in names}
    filled |= {str(parent) for folder in filled for parent in PurePosixPath(folder).parents}
    return tuple(sorted(folder for folder in folders if folder not in filled and not is_junk(folder)))


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise DataError(f"the archive {path} cannot be read: {error}") from error
    except RuntimeError as error:  # zipfile's answer to an encrypted member
        raise DataError(f"the archive {path} cannot be read: {error}") from error
