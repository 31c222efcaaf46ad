"""Features of a backbone on disk, computed once: `<cache_dir>/features/<key>/`.

    features.f16    (M, D) float16, a row for each image of the data; rows that nobody asked for yet are holes
    done.npy        (M,) bool, written after the rows that it vouches for

The key is of the weights, the preparation, the precision, the view and every pixel of the data, so that other splits
and shares of the same images find their rows here. Ctrl-C loses nothing; a kill loses the blocks
since `done.npy` was last written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.arrays import DAMAGE
from eyas.core import io
from eyas.core.console import progress
from eyas.core.errors import TrainingError
from eyas.data.writing import locked, writing_cache

FORMAT = 1
BLOCK = 64  # images at a time; a varied view is drawn by blocks, whichever of their images are wanted
SAVE_SECONDS = 10.0
DTYPE = np.dtype("<f2")

Compute = Callable[[NDArray[np.int64], int], NDArray[np.float16]]
"""Rows and the number of their block → (n, D) features."""


def digest_images(images: NDArray[np.uint8]) -> str:
    """SHA-256 of shape and pixels."""
    made = hashlib.sha256(str(images.shape).encode())
    step = max(1, (16 << 20) // max(1, images[0].nbytes))
    for start in range(0, len(images), step):
        made.update(np.ascontiguousarray(images[start : start + step]).data)
    return made.hexdigest()


def store_path(*parts: Any) -> Path:
    """The folder of what these JSON values describe."""
    key = hashlib.sha256(json.dumps([FORMAT, *parts], sort_keys=True).encode()).hexdigest()[:32]
    return io.cache_dir() / "features" / key


def cached_features(
    folder: Path, rows: NDArray[np.int64], shape: tuple[int, int], compute: Compute, label: str
) -> NDArray[np.float16]:
    """All M × D features as a read-only map, in which the wanted rows are filled.

    Args:
        rows: (n,) wanted.
        shape: M and D.
        label: of the progress bar.

    Raises:
        DataError: the cache cannot be written.
        TrainingError: a feature is not a finite number.
    """
    with locked(folder):
        done = _read_done(folder, shape)
        missing = rows[~done[rows]]
        if len(missing):
            _fill(folder, missing, done, shape, compute, label)
    return np.memmap(folder / "features.f16", DTYPE, "r", shape=shape)


def _fill(
    folder: Path,
    missing: NDArray[np.int64],
    done: NDArray[np.bool_],
    shape: tuple[int, int],
    compute: Compute,
    label: str,
) -> None:
    with writing_cache():
        folder.mkdir(parents=True, exist_ok=True)
        if not done.any():  # what another file's rows were vouched for by, should this one be killed before its first
            (folder / "done.npy").unlink(missing_ok=True)
        file = (folder / "features.f16").open("r+b" if (folder / "features.f16").exists() else "w+b", buffering=0)
        file.truncate(shape[0] * shape[1] * DTYPE.itemsize)
    saved = monotonic()
    with file, progress(transient=True) as bar:
        task = bar.add_task(label, total=len(missing), status="")
        try:
            for block, rows in _blocks(missing):
                _write(file.fileno(), rows, compute(rows, block), label)
                done[rows] = True
                bar.advance(task, len(rows))
                if monotonic() - saved > SAVE_SECONDS:
                    _save_done(folder, done, file.fileno())
                    saved = monotonic()
        finally:  # also after Ctrl-C
            _save_done(folder, done, file.fileno())


def _write(file: int, rows: NDArray[np.int64], features: NDArray[np.float16], label: str) -> None:
    if not np.isfinite(features).all():
        raise TrainingError(f"the backbone gives features that are not finite ({label})")
    width = features.shape[1] * DTYPE.itemsize
    with writing_cache():
        for row, feature in zip(rows.tolist(), features, strict=True):
            os.pwrite(file, feature.astype(DTYPE).tobytes(), row * width)


def _blocks(rows: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The rows of each block of BLOCK neighbours, and its number."""
    rows = np.unique(rows)
    numbers, starts = np.unique(rows // BLOCK, return_index=True)
    yield from zip(numbers.tolist(), np.split(rows, starts[1:]), strict=True)


def _save_done(folder: Path, done: NDArray[np.bool_], file: int) -> None:
    with writing_cache():
        os.fsync(file)
        io.write_with(folder / "done.npy", lambda stream: np.save(stream, done))


def _read_done(folder: Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    size = shape[0] * shape[1] * DTYPE.itemsize
    try:
        done: NDArray[np.bool_] = np.load(folder / "done.npy", allow_pickle=False)
        whole = done.shape == shape[:1] and (folder / "features.f16").stat().st_size == size
    except DAMAGE:
        whole = False
    return done if whole else np.zeros(shape[0], np.bool_)
