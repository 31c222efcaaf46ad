"""Arrays in memory as a folder in the cache, found by content: `<cache_dir>/arrays/<digest>/<name>/arrays.npz`.

A run names its data by `data.source`. With a folder behind it, arrays are looked at again as images in files are: by
another process, on another day. Reports and runs are called by the folder's name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eyas.core import io
from eyas.core.errors import DataError
from eyas.data.sources.contents import order_classes
from eyas.data.sources.npz import as_pixels
from eyas.data.writing import writing_cache

FILE = "arrays.npz"
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"


def keep_arrays(parts: Mapping[str, tuple[ArrayLike, ArrayLike]], classes: Sequence[str] | None, name: str) -> str:
    """Write the arrays, where this content is not there yet.

    Args:
        parts: images and labels of train and perhaps val and test; see `Dataset.from_arrays`.
        classes: the name of label 0, 1, …; the labels themselves where None.
        name: of the folder.

    Returns:
        The folder, for `data.source`.

    Raises:
        DataError: see `Dataset.from_arrays`; or the cache cannot be written.
    """
    if not re.fullmatch(NAME, name):
        raise DataError(f"name must be letters, digits, `.`, `_` and `-`, got {name!r}")
    labels = {part: _labels(pair[1], part) for part, pair in parts.items()}
    names = tuple(classes) if classes is not None else order_classes(map(str, _distinct(labels)))
    arrays: dict[str, NDArray[np.generic]] = {"class_names": np.array(names, np.str_)}
    for part, (images, _) in parts.items():
        pixels = as_pixels(np.asarray(images), f"{part} images")
        if len(pixels) != len(labels[part]):
            raise DataError(f"{part} has {len(pixels):,} images but {len(labels[part]):,} labels")
        arrays[f"x_{part}"] = pixels
        arrays[f"y_{part}"] = _numbers(labels[part], names, part, named=classes is not None)
    folder = io.cache_dir().resolve() / "arrays" / _digest(arrays) / name
    if not (folder / FILE).exists():
        with writing_cache():
            # NumPy's keyword `allow_pickle` is none of these.
            io.write_with(folder / FILE, lambda stream: np.savez(stream, **arrays))  # type: ignore[arg-type]
    return str(folder)


def _labels(given: ArrayLike, part: str) -> NDArray[np.generic]:
    labels = np.asarray(given)
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.dtype == np.object_ and all(isinstance(label, str) for label in flat.ravel()):
        flat = flat.astype(np.str_)
    if flat.ndim != 1 or flat.dtype.kind not in "iuU":
        raise DataError(f"{part} labels must be whole numbers or names, (N,), got {flat.dtype} {flat.shape}")
    return flat


def _distinct(labels: Mapping[str, NDArray[np.generic]]) -> list[object]:
    return sorted({label for own in labels.values() for label in own.tolist()})


def _numbers(labels: NDArray[np.generic], names: Sequence[str], part: str, *, named: bool) -> NDArray[np.int64]:
    """The place of each label in `names`; whole numbers are places already where the names were given."""
    if named and labels.dtype.kind != "U":
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(names):
            raise DataError(
                f"{part} labels must be from 0 to {len(names) - 1} ({len(names)} classes), got {labels.min()} to "
                f"{labels.max()}"
            )
        return labels.astype(np.int64)
    place = {name: index for index, name in enumerate(names)}
    if unknown := sorted({str(label) for label in labels.tolist()} - place.keys()):
        raise DataError(f"{part} labels must be of {', '.join(names[:20])}, got {', '.join(unknown[:5])}")
    return np.array([place[str(label)] for label in labels.tolist()], np.int64)


def _digest(arrays: Mapping[str, NDArray[np.generic]]) -> str:
    made = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        made.update(f"{name} {array.dtype} {array.shape}".encode())
        made.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return made.hexdigest()[:32]
