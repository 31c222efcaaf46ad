"""The images of a source, brought to one shape and written to one array file."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eyas.core import console
from eyas.core.errors import DataError
from eyas.core.schema import DataConfig
from eyas.data.decode import Item, Outcome, Task, decode_batch, image_digest
from eyas.data.pool import decode
from eyas.data.sources import Contents, Encoded, Pixels
from eyas.image import ImagePolicy, from_pixels

SUGGESTED_SIDES = (28, 32, 64, 96, 128, 224)
SHOWN_SIZES = 5


@dataclass(frozen=True)
class Failure:
    """Why an image could not be read."""

    message: str
    unsafe: bool


@dataclass(frozen=True)
class Result:
    """What was met on the way; rows that failed hold zeros."""

    sizes: NDArray[np.int32]
    """(M, 2) height and width as stored."""
    grey: NDArray[np.bool_]
    """(M,) whether stored in grey."""
    digests: NDArray[np.uint8]
    """(M, 32) SHA-256 of the pixels as stored."""
    pixel_digests: NDArray[np.uint8]
    """(M, 32) SHA-256 of the pixels as written."""
    failures: dict[int, Failure]


class _ColouredError(Exception):
    """A coloured image among those thought grey."""


def bring(name: str, contents: Contents, config: DataConfig, file: Path) -> Result:
    """Write every image, by the policy that `config` and the images settle.

    Args:
        name: of the source, for messages.
        contents: the source.
        config: size, channels, way of resizing, `max_pixels`.
        file: the `.npy` file to write, (M, H, W, C) uint8.

    Raises:
        DataError: several sizes and none asked for, no readable image, or not enough room on the disk.
    """
    try:
        return _bring(name, contents, config, file, config.channels)
    except _ColouredError:
        return _bring(name, contents, config, file, 3)


def look(name: str, contents: Contents, max_pixels: int) -> Result:
    """What `bring` meets, without writing."""
    task = Task(max_pixels, policy=None)
    return _collect(name, _outcomes(contents, task, _items(contents)), len(contents.labels), lambda _: None)


def _bring(name: str, contents: Contents, config: DataConfig, file: Path, channels: int | None) -> Result:
    first, items = _first(contents, config.max_pixels)
    height, width = _sides(config, first.size)
    policy = ImagePolicy(height, width, 1 if (channels or (1 if first.grey else 3)) == 1 else 3, config.resize)
    fixed = config.image_size is not None
    task = Task(config.max_pixels, policy, fixed_size=fixed, fixed_channels=channels is not None)
    total = len(contents.labels)
    with PixelFile(file, total, policy) as pixels:

        def keep(outcome: Outcome) -> None:
            if outcome.pixels is not None:
                pixels.write(outcome.row, outcome.pixels)
            elif not outcome.error and not outcome.grey and policy.channels == 1 and channels is None:
                raise _ColouredError

        result = _collect(name, _outcomes(contents, task, items), total, keep)
    if not fixed:
        _refuse_mixed_sizes(name, result)
    return result


class PixelFile:
    """An `.npy` file of (M, H, W, C) uint8 that is filled row by row in any order."""

    def __init__(self, path: Path, rows: int, policy: ImagePolicy) -> None:
        shape = (rows, *policy.shape)
        self._row_bytes = int(np.prod(policy.shape))
        needed, free = rows * self._row_bytes, shutil.disk_usage(path.parent).free
        if needed > free:
            raise DataError(f"disk full while caching {path.parent.parent}: needs {_mb(needed)}, has {_mb(free)}")
        self._needed = needed
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
            free = shutil.disk_usage(Path(self._file.name).parent).free
            raise DataError(
                f"disk full while caching in {Path(self._file.name).parent.parent}: "
                f"needs {_mb(self._needed)}, has {_mb(free)} ({error.strerror})"
            ) from error

    def __enter__(self) -> PixelFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _first(contents: Contents, max_pixels: int) -> tuple[Outcome, Iterable[Item]]:
    """The first image that can be read, and all items from the start."""
    if isinstance(contents.images, Pixels):
        arrays = contents.images.arrays
        grey = all(array.shape[-1] == 1 for array in arrays)
        return Outcome(0, size=arrays[0].shape[1:3], grey=grey), ()
    tried: list[Item] = []
    task = Task(max_pixels, policy=None)
    items = _items(contents)
    for item in items:
        tried.append(item)
        [outcome] = decode_batch([item], task)
        if not outcome.error:
            return outcome, chain(tried, items)
    return Outcome(0, size=(1, 1)), tried


def _items(contents: Contents) -> Iterator[Item]:
    """Each row with its encoded image, in the order that the tree gives them."""
    if isinstance(contents.images, Encoded):
        rows: dict[str, list[int]] = {}
        for row, file in enumerate(contents.images.files):
            rows.setdefault(file, []).append(row)
        for file, content in contents.images.tree.stream(rows):
            yield from ((row, content) for row in rows[file])


def _outcomes(contents: Contents, task: Task, items: Iterable[Item]) -> Iterator[Outcome]:
    if isinstance(contents.images, Encoded):
        return decode(items, len(contents.labels), task)
    return _from_arrays(contents.images, task)


def _from_arrays(images: Pixels, task: Task) -> Iterator[Outcome]:
    row = 0
    for array in images.arrays:
        for pixels in array:
            yield _from_array(row, pixels, task)
            row += 1


def _from_array(row: int, stored: NDArray[np.uint8], task: Task) -> Outcome:
    size, grey = (stored.shape[0], stored.shape[1]), stored.shape[-1] == 1
    digest = image_digest(stored)
    policy = task.policy
    if policy is None or not (task.fixed_size or size == (policy.height, policy.width)):
        return Outcome(row, size, grey, digest)
    pixels = from_pixels(stored, policy)
    return Outcome(row, size, grey, digest, pixels.tobytes(), digest if pixels is stored else image_digest(pixels))


def _collect(name: str, outcomes: Iterable[Outcome], total: int, keep: Callable[[Outcome], None]) -> Result:
    result = Result(
        sizes=np.zeros((total, 2), np.int32),
        grey=np.zeros(total, np.bool_),
        digests=np.zeros((total, 32), np.uint8),
        pixel_digests=np.zeros((total, 32), np.uint8),
        failures={},
    )
    with _progress(name, total) as advance:
        for outcome in outcomes:
            _note(result, outcome)
            keep(outcome)
            advance()
    return result


def _note(result: Result, outcome: Outcome) -> None:
    row = outcome.row
    if outcome.error:
        result.failures[row] = Failure(outcome.error, outcome.unsafe)
        return
    result.sizes[row] = outcome.size
    result.grey[row] = outcome.grey
    result.digests[row] = np.frombuffer(outcome.digest, np.uint8)
    if outcome.pixels_digest:
        result.pixel_digests[row] = np.frombuffer(outcome.pixels_digest, np.uint8)


@contextmanager
def _progress(name: str, total: int) -> Iterator[Callable[[], None]]:
    with console.progress(transient=True) as bar:
        task = bar.add_task(f"reading {name}", total=total, status="")
        step, done = max(1, total // 200), 0

        def advance() -> None:
            nonlocal done
            done += 1
            if done % step == 0:
                bar.update(task, completed=done)

        yield advance


def _sides(config: DataConfig, stored: tuple[int, int]) -> tuple[int, int]:
    size = config.image_size
    if size is None:
        return stored
    return (size, size) if isinstance(size, int) else size


def _refuse_mixed_sizes(name: str, result: Result) -> None:
    readable = result.sizes[result.sizes[:, 0] > 0]
    counts = Counter((int(height), int(width)) for height, width in readable)
    if len(counts) < 2:
        return
    shown = ", ".join(f"{h}×{w} ({n:,})" for (h, w), n in counts.most_common(SHOWN_SIZES))
    more = f" and {len(counts) - SHOWN_SIZES} more" if len(counts) > SHOWN_SIZES else ""
    median = float(np.median(readable.min(axis=1)))
    side = min(SUGGESTED_SIDES, key=lambda candidate: abs(candidate - median))
    raise DataError(
        f"the images of {name} must have one size, got {len(counts)} (height×width): {shown}{more}; "
        f"set one, for example data.image_size={side}"
    )


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
