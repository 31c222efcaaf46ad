"""Keras's `.npz`: `x_train`, `y_train`, `x_test`, `y_test` and, where there, `x_val`, `y_val`.

`class_names`, text of shape (K,), is ours: the name of label 0, 1, …
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eyas.arrays import DAMAGE
from eyas.core.errors import DataError
from eyas.data.sources.bombs import refuse_bomb
from eyas.data.sources.contents import Contents, PartName, from_numbers
from eyas.data.sources.tree import Tree

PARTS: tuple[PartName, ...] = ("train", "val", "test")
BLOCK = 1000
"""Images that are converted at once."""


def matches(names: Sequence[str]) -> bool:
    """Whether an `.npz` lies at the top."""
    return any(name.lower().endswith(".npz") and "/" not in name for name in names)


def read(tree: Tree, class_names: Sequence[str] | None = None) -> Contents:
    """Images and labels of every part that is there.

    Raises:
        DataError: several files, a missing array, or one of another shape or kind.
    """
    files = [name for name in tree.names if name.lower().endswith(".npz") and "/" not in name]
    if len(files) > 1:
        raise DataError(f"{tree.where} has {len(files)} .npz files ({', '.join(files[:3])}); name one of them")
    content = tree.read(files[0])
    return from_numbers(parse(content, files[0]), class_names or names_in(content, files[0]))


def names_in(content: bytes, where: str) -> Sequence[str] | None:
    """The classes that a file names itself; None where it has no `class_names`.

    Raises:
        DataError: they are no text of shape (K,).
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            found = arrays["class_names"] if "class_names" in arrays.files else None
    except DAMAGE as error:
        raise DataError(f"{where}: class_names cannot be read: {error}") from error
    if found is None:
        return None
    if found.ndim != 1 or found.dtype.kind != "U":
        raise DataError(f"{where}: class_names must be text, (K,), got {found.dtype} {found.shape}")
    return [str(name) for name in found]


def parse(content: bytes, where: str) -> dict[PartName, tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Images (n, h, w, c) uint8 and labels (n,) int64 of each part.

    Raises:
        DataError: see `read`. Pickled arrays are refused.
    """
    _refuse_large(content, where)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            if not {"x_train", "y_train"} <= set(arrays.files):
                raise DataError(f"{where} must hold x_train and y_train, got {', '.join(arrays.files) or 'nothing'}")
            present = [part for part in PARTS if f"x_{part}" in arrays.files or f"y_{part}" in arrays.files]
            return {part: _pair(arrays, part, where) for part in present}
    except DAMAGE as error:
        raise DataError(f"{where} cannot be read: {error}") from error


def _pair(arrays: np.lib.npyio.NpzFile, part: PartName, where: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    for key in (f"x_{part}", f"y_{part}"):
        if key not in arrays.files:
            raise DataError(f"{where} has no {key}, got {', '.join(arrays.files)}")
    images = as_pixels(arrays[f"x_{part}"], f"{where}: x_{part}")
    labels = _labels(arrays[f"y_{part}"], f"{where}: y_{part}")
    if len(images) != len(labels):
        raise DataError(f"{where}: x_{part} has {len(images):,} images but y_{part} has {len(labels):,} labels")
    return images, labels


def as_pixels(array: NDArray[np.generic], what: str) -> NDArray[np.uint8]:
    """Images as bytes: (N, H, W) or (N, H, W, 1 or 3), whole numbers to 255 or floats from 0 to 1 → (N, H, W, C) uint8.

    Raises:
        DataError: another shape, type or range.
    """
    shaped = array[..., None] if array.ndim == 3 else array
    if shaped.ndim != 4 or shaped.shape[-1] not in (1, 3) or 0 in shaped.shape[1:]:
        raise DataError(f"{what} must be (N, H, W) or (N, H, W, 1 or 3), got {array.shape}")
    if shaped.dtype.kind not in "uif":
        raise DataError(f"{what} must be uint8, or floats from 0 to 1, got {shaped.dtype}")
    if shaped.dtype == np.uint8:
        return shaped.view(np.uint8)
    if not len(shaped):
        return shaped.astype(np.uint8)
    low, high = float(shaped.min()), float(shaped.max())
    if np.issubdtype(shaped.dtype, np.floating) and 0 <= low <= high <= 1:
        return _bytes_of(shaped)
    if np.issubdtype(shaped.dtype, np.integer) and 0 <= low <= high <= 255:
        return shaped.astype(np.uint8)
    raise DataError(f"{what} must be uint8, or floats from 0 to 1, got {shaped.dtype} from {low:g} to {high:g}")


def _bytes_of(floats: NDArray[np.generic]) -> NDArray[np.uint8]:
    """round(255 · x), in blocks: 8 bytes a pixel of all images at once would be more than the images themselves."""
    made = np.empty(floats.shape, np.uint8)
    for start in range(0, len(floats), BLOCK):
        block = slice(start, start + BLOCK)
        made[block] = np.round(floats[block].astype(np.float64) * 255)
    return made


def _labels(array: NDArray[np.generic], what: str) -> NDArray[np.int64]:
    flat = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if flat.ndim != 1 or not np.issubdtype(flat.dtype, np.integer):
        raise DataError(f"{what} must be whole numbers, (N,) or (N, 1), got {array.dtype} {array.shape}")
    return flat.astype(np.int64)


def _refuse_large(content: bytes, where: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as error:
        raise DataError(f"{where} is not an .npz file: {error}") from error
    refuse_bomb(unpacked, len(content), where)
