"""Imported images on disk, found by content: `<cache_dir>/datasets/`.

    index/<signature>       the content key of files with these names, sizes and times: nothing has to be read again
    <key>-<policy>/         images.npy, labels.npy, digests.npy, meta.json: written once, whole or absent
    survey-<key>.npz        what the check of the data needs to know of every file
    .<key>-<policy>.lock   held while the folder is made; free again when its holder dies

Array files are written by plain writes and only then mapped: a full disk is an error message, not a SIGBUS.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from eyas.arrays import DAMAGE
from eyas.core.errors import DataError
from eyas.core.io import cache_dir, read_json, write_text
from eyas.core.schema import DataConfig
from eyas.data.sources import PartName, Source
from eyas.data.writing import is_locked, write_error, writing_cache
from eyas.image import ImagePolicy

FORMAT = 2
"""Part of every key: entries of another format are never read."""
PARTIAL = ".partial-"


@dataclass(frozen=True)
class Entry:
    """One imported source at one size."""

    path: Path
    """The folder."""
    images: NDArray[np.uint8]
    """(M, H, W, C) uint8, a read-only memory map."""
    labels: NDArray[np.int64]
    """(M,) class indices."""
    digests: NDArray[np.uint8]
    """(M, 32) SHA-256 of each image's pixels."""
    meta: dict[str, Any]
    """classes, parts (part → [start, stop]), max_pixels, largest (pixels), skipped (row → [name, reason, lasting])."""

    @property
    def parts(self) -> dict[PartName, range]:
        """The rows of each declared part."""
        return {part: range(start, stop) for part, (start, stop) in self.meta["parts"].items()}

    def holds_for(self, config: DataConfig) -> bool:
        """Whether importing again would leave out the same images."""
        skipped = self.meta["skipped"].values()
        return not skipped or (
            self.meta["max_pixels"] == config.max_pixels and all(lasting for _, _, lasting in skipped)
        )


def root() -> Path:
    """Where the cache of data sets lies."""
    return cache_dir() / "datasets"


def entry_path(key: str, config: DataConfig) -> Path:
    """The folder of this content at this size."""
    policy = json.dumps([FORMAT, config.image_size, config.channels, config.resize if config.image_size else None])
    return root() / f"{key[:32]}-{hashlib.sha256(policy.encode()).hexdigest()[:8]}"


def survey_path(key: str) -> Path:
    """The survey of this content."""
    return root() / f"survey-{FORMAT}-{key[:32]}.npz"


def content_key(source: Source, signature: str) -> str:
    """The digest of the source's names and contents, read now where it is not noted for this signature.

    Raises:
        DataError: the source changes meanwhile, or the cache cannot be written.
    """
    note = root() / "index" / signature
    try:
        if key := note.read_text(encoding="ascii").strip():
            return key
    except (OSError, UnicodeDecodeError):  # not noted, or damaged
        pass
    key = source.content_key()
    refuse_changed(source, signature)
    with writing_cache():
        write_text(note, key + "\n")
    return key


def refuse_changed(source: Source, signature: str) -> None:
    """What was read would be kept under the key of other content.

    Raises:
        DataError: the source is not what it was under this signature.
    """
    if source.signature() != signature:
        raise DataError(f"{source.name} changed while it was read; open it again when nobody writes to it")


def read_entry(path: Path) -> Entry | None:
    """Open an entry, or None where there is no whole one."""
    try:
        meta = read_json(path / "meta.json")
        images = np.load(path / "images.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(path / "labels.npy", allow_pickle=False)
        digests = np.load(path / "digests.npy", allow_pickle=False)
    except DAMAGE:
        return None
    if images.ndim != 4 or not len(images) == len(labels) == len(digests):
        return None
    return Entry(path, images, labels, digests, meta)


@contextmanager
def making(path: Path) -> Iterator[Path]:
    """Fill a folder that becomes `path` at the end; on any failure nothing stays. The caller holds `locked(path)`."""
    with writing_cache():
        _sweep(path.name)
        partial = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}{PARTIAL}"))
    try:
        yield partial
        with writing_cache():
            partial.chmod(0o755)
            if path.exists():  # of no use: the caller has asked `read_entry`
                shutil.rmtree(path)
            partial.rename(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


class PixelFile:
    """An `.npy` file of (M, H, W, C) uint8 that is filled row by row in any order."""

    def __init__(self, path: Path, rows: int, policy: ImagePolicy) -> None:
        shape = (rows, *policy.shape)
        self._row_bytes = int(np.prod(policy.shape))
        needed, free = rows * self._row_bytes, shutil.disk_usage(path.parent).free
        if needed > free:
            raise DataError(
                f"disk full while caching {path.parent.parent}: needs {_mb(needed)}, has {_mb(free)}; make room, "
                "or name a larger disk in EYAS_CACHE_DIR"
            )
        with writing_cache():
            self._file = path.open("wb", buffering=0)
            np.lib.format.write_array_header_1_0(self._file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            self._start = self._file.tell()
            self._file.truncate(self._start + needed)

    def write(self, row: int, pixels: bytes) -> None:
        """Put one image at its place."""
        view, offset = memoryview(pixels), self._start + row * self._row_bytes
        try:
            while view:
                written = os.pwrite(self._file.fileno(), view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            raise write_error(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file, writing_cache():
            if kind is None:
                os.fsync(self._file.fileno())


def write_array(path: Path, array: NDArray[np.generic]) -> None:
    """Write one array, down to the disk."""
    with path.open("wb") as file:
        np.save(file, array)
        file.flush()
        os.fsync(file.fileno())


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _sweep(ours: str) -> None:
    """Remove partial folders whose makers are dead: their lock is free, or we hold it."""
    for partial in root().glob(f".*{PARTIAL}*"):
        target = partial.name[1:].partition(PARTIAL)[0]
        if target == ours or not is_locked(root() / target):
            shutil.rmtree(partial, ignore_errors=True)
