"""A dataset to look at: thumbnails, a sheet of examples by class, and what a notebook shows of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from eyas.core import notebook
from eyas.core.errors import DataError
from eyas.data.report import CheckReport
from eyas.data.split import Split
from eyas.image import to_png

MOST_CLASSES = 20
THUMBNAILS = 10
SIDE = 48  # pixels of a thumbnail's shorter side, at least
GAP = 4
LETTERS = 18  # of a class's name


def dataset_html(title: str, splits: Sequence[Split], classes: Sequence[str], check: Callable[[], CheckReport]) -> str:
    """A few images, the number of each class, and what the check finds."""
    counts = np.array([np.bincount(split.labels, minlength=len(classes)) for split in splits])
    rows = [(name, *own, sum(own)) for name, own in zip(classes, counts.T.tolist(), strict=True)]
    more = notebook.text(f"and {len(rows) - MOST_CLASSES} more classes") if len(rows) > MOST_CLASSES else ""
    return notebook.block(
        title,
        f"<div>{''.join(_thumbnails(splits[0], classes))}</div>",
        notebook.table(("class", *(split.name for split in splits), "all"), rows[:MOST_CLASSES]),
        more,
        _findings(check),
    )


def sheet(split: Split, classes: Sequence[str], images: int) -> Image.Image:
    """A row for each of the first classes, with so many of its images.

    Raises:
        DataError: no images.
    """
    if not len(split) or images < 1:
        raise DataError(f"there must be images to show, got {len(split)} in {split.name} and images={images}")
    rows = [_first(split, index, images) for index in range(min(len(classes), MOST_CLASSES))]
    height, width = _size(split)
    font = ImageFont.load_default()
    beside = 2 * GAP + max(math.ceil(font.getlength(name[:LETTERS])) for name in classes[: len(rows)])
    page = Image.new("RGB", (beside + images * (width + GAP), len(rows) * (height + GAP)), "white")
    draw = ImageDraw.Draw(page)
    for row, taken in enumerate(rows):
        top = row * (height + GAP)
        draw.text((GAP, top + height // 2 - 6), classes[row][:LETTERS], fill="black", font=font)
        for column, image in enumerate(taken):
            page.paste(_enlarged(image, (width, height)), (beside + column * (width + GAP), top))
    return page


def _findings(check: Callable[[], CheckReport]) -> str:
    try:
        rows = check().finding_rows()
    except DataError as error:  # the source has gone since: the images are in the cache, and are shown
        return notebook.text(f"cannot be checked: {error}")
    return notebook.table(("severity", "code", "what", "examples"), rows) if rows else ""


def _thumbnails(train: Split, classes: Sequence[str]) -> list[str]:
    """One image of each of the first classes."""
    return [
        notebook.picture(to_png(image), classes[index], _size(train)[1])
        for index in range(min(len(classes), THUMBNAILS))
        for image in _first(train, index, 1)
    ]


def _first(split: Split, index: int, count: int) -> NDArray[np.uint8]:
    return split.take(np.flatnonzero(split.labels == index)[:count])


def _size(split: Split) -> tuple[int, int]:
    """Height and width of a thumbnail: whole multiples, or the image's own where it is large."""
    height, width = split.images.shape[1:3]
    scale = max(1, -(-SIDE // min(height, width)))
    return height * scale, width * scale


def _enlarged(image: NDArray[np.uint8], size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).resize(size, Image.Resampling.NEAREST)
