"""Colours and mean images of the splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 2048
LEVELS = 64


@dataclass(frozen=True, eq=False)
class Colours:
    """One split's pixels, in 0..255."""

    mean: NDArray[np.float64]
    """(C,)"""
    std: NDArray[np.float64]
    """(C,)"""
    histogram: NDArray[np.float64]
    """(64,) share of images by their mean brightness, in 64 equal steps of 0..255."""


def colours(images: NDArray[np.uint8], splits: Mapping[str, NDArray[np.int64]]) -> dict[str, Colours]:
    """The colours of each split that has images."""
    return {name: _colours(images, rows) for name, rows in splits.items() if len(rows)}


def _colours(images: NDArray[np.uint8], rows: NDArray[np.int64]) -> Colours:
    channels = images.shape[-1]
    total, squares, histogram = np.zeros(channels), np.zeros(channels), np.zeros(LEVELS)
    for start in range(0, len(rows), AT_ONCE):
        pixels = np.asarray(images)[rows[start : start + AT_ONCE]].astype(np.float64)
        total += pixels.mean(axis=(1, 2)).sum(axis=0)
        squares += (pixels**2).mean(axis=(1, 2)).sum(axis=0)
        histogram += np.histogram(pixels.mean(axis=(1, 2, 3)), LEVELS, (0, 255))[0]
    mean = total / len(rows)
    return Colours(mean, np.sqrt(np.clip(squares / len(rows) - mean**2, 0, None)), histogram / len(rows))


def class_means(
    images: NDArray[np.uint8], labels: NDArray[np.int64], rows: NDArray[np.int64], classes: int
) -> NDArray[np.uint8]:
    """(K, H, W, C) uint8, the mean image of each class among `rows`; black where it has none."""
    sums = np.zeros((classes, *images.shape[1:]))
    for k in range(classes):
        members = rows[labels[rows] == k]
        for start in range(0, len(members), AT_ONCE):
            sums[k] += np.asarray(images)[members[start : start + AT_ONCE]].sum(axis=0, dtype=np.float64)
        sums[k] /= max(len(members), 1)
    return np.rint(sums).astype(np.uint8)
