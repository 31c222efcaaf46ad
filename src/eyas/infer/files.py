"""Image files, folders and standard input, predicted file by file: what `eyas predict BUNDLE IMAGE…` prints.

sources ─ found, in order ─ read by eyas.image ─ batches ─ Predictor ─► one row a file, failed ones included
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import InputError, UnsafeDataError
from eyas.image import MAX_PIXELS, ImagePolicy, is_image_path, read_image
from eyas.infer.predictor import Prediction, Predictor
from eyas.infer.session import CHUNK

STDIN = "-"


@dataclass(frozen=True)
class LoadedFile:
    """One file, read or not."""

    file: str
    pixels: NDArray[np.uint8] | None
    """(H, W, C) uint8, or None where it could not be read."""
    error: str | None = None
    """Why not; it names the file."""


@dataclass(frozen=True)
class FileRow:
    """One line of the answer. Where `error` is set, the prediction's fields are None and `top` is empty."""

    file: str
    index: int | None = None
    label: str | None = None
    confidence: float | None = None
    top: tuple[tuple[str, float], ...] = ()
    """(label, probability) of the most probable classes, falling."""
    needs_review: bool | None = None
    error: str | None = None


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
    for source in sources:
        if source == STDIN:
            content = (stdin or sys.stdin.buffer).read()
            yield _load(STDIN, content, policy, max_pixels)
            continue
        path = Path(source)
        files = _inside(path) if path.is_dir() else [path]
        if not files:
            yield LoadedFile(str(path), None, f"{path}: no image in this folder")
        for file in files:
            yield _load(str(file), file, policy, max_pixels)


def _inside(folder: Path) -> list[Path]:
    """The images in a folder and below, sorted by path; hidden files and what file managers leave are passed over."""
    return sorted(p for p in folder.rglob("*") if is_image_path(p.relative_to(folder)) and p.is_file())


def _load(name: str, source: bytes | Path, policy: ImagePolicy, max_pixels: int) -> LoadedFile:
    try:
        return LoadedFile(name, read_image(source, policy, max_pixels=max_pixels))
    except (InputError, UnsafeDataError) as error:
        shown = "standard input" if name == STDIN else name
        return LoadedFile(name, None, f"{shown}: {error}")


def _rows(predictor: Predictor, batch: list[LoadedFile], top: int) -> Iterator[FileRow]:
    pixels = [loaded.pixels for loaded in batch if loaded.pixels is not None]
    answers = _answers(predictor.run(np.stack(pixels))) if pixels else iter(())
    for loaded in batch:
        if loaded.pixels is None:
            yield FileRow(loaded.file, error=loaded.error)
        else:
            probabilities, review = next(answers)
            yield _row(loaded.file, predictor.bundle.classes, probabilities, review, top)


def _answers(prediction: Prediction) -> Iterator[tuple[NDArray[np.float32], bool]]:
    return zip(prediction.probabilities, prediction.needs_review.tolist(), strict=True)


def _row(file: str, labels: tuple[str, ...], probabilities: NDArray[np.float32], review: bool, top: int) -> FileRow:
    """One image's row; `probabilities`: (K,) float32. Of equal classes the lowest index comes first."""
    order = np.argsort(-probabilities, kind="stable").tolist()
    best = tuple((labels[k], float(probabilities[k])) for k in order[:top])
    return FileRow(file, order[0], labels[order[0]], float(probabilities[order[0]]), best, review)
