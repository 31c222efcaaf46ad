"""All images of a source decoded: looked at, or brought to one shape and written to one array file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eyas.core import console
from eyas.core.errors import DataError
from eyas.core.schema import DataConfig
from eyas.data.cache import PixelFile
from eyas.data.decode_one import DecodedImage, DecodeSettings, EncodedRow, Failure, decode_batch, image_digest
from eyas.data.pool import decode
from eyas.data.sources import Contents, Encoded, Pixels
from eyas.image import ImagePolicy, from_pixels

SUGGESTED_SIDES = (28, 32, 64, 96, 128, 224)
SHOWN_SIZES = 5


@dataclass(frozen=True)
class Inspection:
    """What decoding met, row by row; rows that failed hold zeros."""

    sizes: NDArray[np.int32]
    """(M, 2) height and width as stored."""
    grey: NDArray[np.bool_]
    """(M,) whether stored in grey."""
    digests: NDArray[np.uint8]
    """(M, 32) SHA-256 of the pixels as stored."""
    failures: Mapping[int, Failure]
    """Row → why it cannot be read."""


def inspect(name: str, contents: Contents, max_pixels: int) -> Inspection:
    """Decode every image of the source `name` and keep no pixels."""
    settings = DecodeSettings(max_pixels, policy=None)
    rows = _Rows(len(contents.labels))
    with _progress(name, len(contents.labels)) as advance:
        for image in _decoded(contents, settings):
            rows.note(image)
            advance()
    return rows.inspection()


def decode_into(file: Path, name: str, contents: Contents, config: DataConfig) -> tuple[Inspection, NDArray[np.uint8]]:
    """Write every image, by the policy that `config` and the images settle.

    Without `config.channels` the images are grey where all of them are: the first decides, and a coloured one
    found later starts the writing again in colour.

    Args:
        file: the `.npy` file to write, (M, H, W, C) uint8.
        name: of the source, for messages.
        contents: the source.
        config: size, channels, way of resizing, `max_pixels`.

    Returns:
        What was met, and (M, 32) the SHA-256 of each image as written.

    Raises:
        DataError: several sizes and none asked for, or not enough room on the disk.
    """
    first = _first_readable(contents, config.max_pixels)
    rows = _write(file, name, contents, config, first, config.channels or (1 if first.grey else 3))
    if rows.coloured and config.channels is None and first.grey:
        rows = _write(file, name, contents, config, first, 3)
    inspection = rows.inspection()
    if config.image_size is None:
        _refuse_mixed_sizes(name, inspection)
    return inspection, rows.written


class _Rows:
    """`Inspection` in the making."""

    def __init__(self, total: int) -> None:
        self.sizes = np.zeros((total, 2), np.int32)
        self.grey = np.zeros(total, np.bool_)
        self.digests = np.zeros((total, 32), np.uint8)
        self.written = np.zeros((total, 32), np.uint8)
        self.failures: dict[int, Failure] = {}
        self.coloured = False

    def note(self, image: DecodedImage) -> None:
        row = image.row
        if image.failure is not None:
            self.failures[row] = image.failure
            return
        self.sizes[row] = image.size
        self.grey[row] = image.grey
        self.coloured |= not image.grey
        self.digests[row] = np.frombuffer(image.digest, np.uint8)
        if image.pixels is not None:
            self.written[row] = np.frombuffer(image.pixels_digest, np.uint8)

    def inspection(self) -> Inspection:
        return Inspection(self.sizes, self.grey, self.digests, self.failures)


def _write(file: Path, name: str, contents: Contents, config: DataConfig, first: DecodedImage, channels: int) -> _Rows:
    """All rows in this many channels; it stops at a coloured image where grey is only a guess."""
    height, width = _sides(config, first.size)
    policy = ImagePolicy(height, width, 1 if channels == 1 else 3, config.resize)
    fixed_channels = config.channels is not None
    settings = DecodeSettings(config.max_pixels, policy, config.image_size is not None, fixed_channels)
    total = len(contents.labels)
    rows = _Rows(total)
    with PixelFile(file, total, policy) as pixels, _progress(name, total) as advance:
        for image in _decoded(contents, settings):
            rows.note(image)
            if rows.coloured and channels == 1 and not fixed_channels:
                break
            if image.pixels is not None:
                pixels.write(image.row, image.pixels)
            advance()
    return rows


def _first_readable(contents: Contents, max_pixels: int) -> DecodedImage:
    """The first image that can be read; of size 1×1 where there is none."""
    if isinstance(contents.images, Pixels):
        arrays = contents.images.arrays
        grey = all(array.shape[-1] == 1 for array in arrays)
        return DecodedImage(0, size=arrays[0].shape[1:3], grey=grey)
    settings = DecodeSettings(max_pixels, policy=None)
    for encoded in _encoded(contents.images):
        [image] = decode_batch([encoded], settings)
        if image.failure is None:
            return image
    return DecodedImage(0, size=(1, 1))


def _encoded(images: Encoded) -> Iterator[EncodedRow]:
    """Each row with its encoded image, in the order that the tree gives them."""
    rows: dict[str, list[int]] = {}
    for row, file in enumerate(images.files):
        rows.setdefault(file, []).append(row)
    for file, content in images.tree.stream(rows):
        yield from ((row, content) for row in rows[file])


def _decoded(contents: Contents, settings: DecodeSettings) -> Iterator[DecodedImage]:
    if isinstance(contents.images, Encoded):
        return decode(_encoded(contents.images), len(contents.labels), settings)
    return _from_arrays(contents.images, settings)


def _from_arrays(images: Pixels, settings: DecodeSettings) -> Iterator[DecodedImage]:
    row = 0
    for array in images.arrays:
        for pixels in array:
            yield _from_array(row, pixels, settings)
            row += 1


def _from_array(row: int, stored: NDArray[np.uint8], settings: DecodeSettings) -> DecodedImage:
    size, grey = (stored.shape[0], stored.shape[1]), stored.shape[-1] == 1
    digest = image_digest(stored)
    policy = settings.policy
    if policy is None or not (settings.fixed_size or size == (policy.height, policy.width)):
        return DecodedImage(row, size, grey, digest)
    pixels = from_pixels(stored, policy)
    written = digest if pixels is stored else image_digest(pixels)
    return DecodedImage(row, size, grey, digest, pixels.tobytes(), written)


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


def _refuse_mixed_sizes(name: str, inspection: Inspection) -> None:
    readable = inspection.sizes[inspection.sizes[:, 0] > 0]
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
