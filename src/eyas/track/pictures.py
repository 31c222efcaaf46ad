"""Pictures for trackers: some training images, and the confusion matrix of the validation split."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from eyas.data import Dataset, Split
from eyas.evaluate import confusion_matrix
from eyas.report import draw_confusion

GRID = 6
LEAST_SIDE = 64
SHARE = 0.03
"""Of the time, at most, that goes into drawing while training runs."""
FIRST_SECONDS = 20.0
"""Before the first picture of a run."""


def image_grid(split: Split) -> NDArray[np.uint8]:
    """`GRID` by `GRID` images from all over the split, small ones enlarged: (GRID·h, GRID·w, C) uint8."""
    count = min(len(split), GRID * GRID)
    images = split.take(np.linspace(0, len(split) - 1, count).astype(np.int64))
    factor = -(-LEAST_SIDE // max(images.shape[1:3]))
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    height, width, channels = images.shape[1:]
    tiles = np.zeros((GRID * GRID, height, width, channels), np.uint8)
    tiles[:count] = images
    return tiles.reshape(GRID, GRID, height, width, channels).swapaxes(1, 2).reshape(GRID * height, GRID * width, -1)


def draw_predictions(dataset: Dataset, predictions: NDArray[np.int64], png: Path) -> None:
    """The confusion matrix of predicted classes on the validation split."""
    matrix = confusion_matrix(dataset.val.labels, predictions, len(dataset.classes))
    draw_confusion(dataset.classes, matrix, png)


class Pace:
    """Whether to draw again: never more than `SHARE` of the time."""

    def __init__(self) -> None:
        self._next = monotonic() + FIRST_SECONDS

    def due(self) -> bool:
        """Whether enough time has gone by."""
        return monotonic() >= self._next

    def drew(self, started: float) -> None:
        """A picture took since `started`, by the monotonic clock."""
        self._next = monotonic() + (monotonic() - started) / SHARE
