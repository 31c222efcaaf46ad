"""MNIST's IDX files: `{train,t10k}-{images-idx3,labels-idx1}-ubyte`, also with `.gz`.

Layout (big-endian): two zero bytes, a type (8 = unsigned byte), the number of dimensions, each dimension as
uint32, the values. Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import io
import math
import re
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError
from eyas.data.sources.bombs import refuse_bomb
from eyas.data.sources.contents import Contents, PartName, from_numbers
from eyas.data.sources.tree import Tree

FILE = re.compile(r"(train|t10k|test|val)-(images|labels)[-.]idx[134][-.]ubyte(\.gz)?")
PARTS: dict[str, PartName] = {"train": "train", "t10k": "test", "test": "test", "val": "val"}
UNSIGNED_BYTE = 8


def matches(names: Sequence[str]) -> bool:
    """Whether IDX files lie at the top."""
    return any(FILE.fullmatch(name) for name in names)


def read(tree: Tree, class_names: Sequence[str] | None = None) -> Contents:
    """Images and labels of every part that is there.

    Raises:
        DataError: a file is missing or damaged, or images and labels differ in number.
    """
    files = _files(tree.names)
    per_part = {}
    for part in dict.fromkeys(part for part, _ in files):
        for kind in ("images", "labels"):
            if (part, kind) not in files:
                raise DataError(f"{tree.where} has no IDX {kind} for {part}, which its other file needs")
        per_part[part] = _read_pair(tree, files[part, "images"], files[part, "labels"])
    return from_numbers(per_part, class_names)


def parse(content: bytes, where: str) -> NDArray[np.uint8]:
    """The array in an IDX file, unpacked from gzip where it is packed.

    Returns:
        uint8, of the shape that the header says.

    Raises:
        DataError: not IDX of unsigned bytes, or not exactly as long as its header says.
    """
    packed = content[:2] == b"\x1f\x8b"
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) if packed else io.BytesIO(content) as stream:
            shape = _header(stream.read(4), stream, where)
            count = math.prod(shape)
            refuse_bomb(count, len(content), where)
            values = stream.read(count + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{where} is damaged: {error}") from error
    if len(values) != count:
        more = "more" if len(values) > count else f"{len(values):,}"
        raise DataError(f"{where}: its header says {_by(shape)} = {count:,} bytes, got {more}")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _header(magic: bytes, stream: io.BufferedIOBase, where: str) -> tuple[int, ...]:
    if len(magic) != 4 or magic[:2] != b"\0\0" or magic[2] != UNSIGNED_BYTE or not 1 <= magic[3] <= 4:
        raise DataError(f"{where} must start with an IDX magic number for unsigned bytes (000008nn), got {magic.hex()}")
    dimensions = stream.read(4 * magic[3])
    if len(dimensions) != 4 * magic[3]:
        raise DataError(f"{where} ends within its header")
    return struct.unpack(f">{magic[3]}I", dimensions)


def _files(names: Sequence[str]) -> dict[tuple[PartName, str], str]:
    """(part, images or labels) → file; an unpacked one before its `.gz`."""
    found: dict[tuple[PartName, str], str] = {}
    for name in sorted(names, key=len):
        if match := FILE.fullmatch(name):
            found.setdefault((PARTS[match[1]], match[2]), name)
    return found


def _read_pair(tree: Tree, images_file: str, labels_file: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images = parse(tree.read(images_file), images_file)
    labels = parse(tree.read(labels_file), labels_file)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape[1:]:
        raise DataError(f"{images_file} must hold (N, H, W) or (N, H, W, 1 or 3) images, got {_by(images.shape)}")
    if labels.ndim != 1:
        raise DataError(f"{labels_file} must hold (N,) labels, got {_by(labels.shape)}")
    if len(images) != len(labels):
        raise DataError(f"{images_file} has {len(images):,} images but {labels_file} has {len(labels):,} labels")
    return images, labels.astype(np.int64)


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
