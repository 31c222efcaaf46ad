"""Image files, folders and standard input, predicted file by file: what `eyas predict BUNDLE IMAGE…` prints.

sources ─ found, in order ─ read by eyas.image ─ batches ─ Predictor ─► one row a file, failed ones included
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import InputError, UnsafeDataError
from eyas.files import NO_IMAGE, FileRow, ImageFile, find_images
from eyas.image import MAX_PIXELS, ImagePolicy, read_image
from eyas.infer.predictor import Prediction, Predictor
from eyas.infer.session import CHUNK


@dataclass(frozen=True)
class LoadedFile:
    """One file, read or not."""

    file: str
    pixels: NDArray[np.uint8] | None
    """(H, W, C) uint8, or None where it could not be read."""
    error: str | None = None
    """Why not; it names the file."""


def predict_files(
    predictor: Predictor,
    sources: Iterable[str | Path],
    *,
    top: int = 5,
    max_pixels: int = MAX_PIXELS,
    stdin: BinaryIO | None = None,
) -> Iterator[FileRow]:
    """Predict every image of `sources`, in order, a batch at a time.

    Args:
        predictor: whose bundle also says the size of the images.
        sources: files, folders (searched through, sorted), or `-` for an image on standard input.
        top: classes to list in each row; K where there are fewer.
        max_pixels: larger images are refused.
        stdin: read in place of the process's standard input.

    Yields:
        One row a file. A file that cannot be read is a row with `error`, not an exception.
    """
    loaded = load_files(sources, predictor.bundle.policy, max_pixels=max_pixels, stdin=stdin)
    while batch := list(itertools.islice(loaded, CHUNK)):
        yield from _rows(predictor, batch, top)


def load_files(
    sources: Iterable[str | Path],
    policy: ImagePolicy,
    *,
    max_pixels: int = MAX_PIXELS,
    stdin: BinaryIO | None = None,
) -> Iterator[LoadedFile]:
    """Read every image of `sources` by `policy`; arguments as in `predict_files`."""
    return (_load(file, policy, max_pixels) for file in find_images(sources, stdin))


def _load(file: ImageFile, policy: ImagePolicy, max_pixels: int) -> LoadedFile:
    if file.source is None:
        return LoadedFile(file.name, None, file.tell(NO_IMAGE))
    try:
        return LoadedFile(file.name, read_image(file.source, policy, max_pixels=max_pixels))
    except (InputError, UnsafeDataError) as error:
        return LoadedFile(file.name, None, file.tell(error))


def _rows(predictor: Predictor, batch: list[LoadedFile], top: int) -> Iterator[FileRow]:
    pixels = [loaded.pixels for loaded in batch if loaded.pixels is not None]
    answers = _answers(predictor.run(np.stack(pixels))) if pixels else iter(())
    for loaded in batch:
        if loaded.pixels is None:
            yield FileRow(loaded.file, error=loaded.error)
        else:
            yield FileRow.of(loaded.file, predictor.bundle.classes, *next(answers), top)


def _answers(prediction: Prediction) -> Iterator[tuple[NDArray[np.float32], bool, bool | None]]:
    told = prediction.unknown
    unknown = [None] * len(prediction.probabilities) if told is None else told.tolist()
    return zip(prediction.probabilities, prediction.needs_review.tolist(), unknown, strict=True)
