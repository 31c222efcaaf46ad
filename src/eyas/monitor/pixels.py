"""What an image is like before any model sees it: each channel's mean and deviation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GRID = 64
"""A longer side is thinned to fewer than twice this many pixels, so that a large image takes no longer than a small."""


AT_ONCE = 32
"""Images, so that what is computed of them stays in the processor's cache."""


def all_statistics(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean and deviation of each channel of each image on [0, 1].

    Args:
        images: (N, H, W, C) uint8, as the graph takes them.

    Returns:
        (N, 2C) float32: C means, then C deviations.
    """
    found = np.empty((len(images), 2 * images.shape[3]), np.float32)
    for start in range(0, len(images), AT_ONCE):
        found[start : start + AT_ONCE] = _statistics(images[start : start + AT_ONCE])
    return found


def _statistics(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    count, height, width, channels = images.shape
    thinned = images[:, :: max(1, height // GRID), :: max(1, width // GRID)].reshape(count, -1, channels)
    pixels = np.ascontiguousarray(thinned.transpose(0, 2, 1), np.float32)
    # Sums of integers below 2^53: exact in any order, so the same on every machine.
    means = pixels.sum(axis=2, dtype=np.float64) / pixels.shape[2]
    squares = np.einsum("ncp,ncp->nc", pixels, pixels, dtype=np.float64) / pixels.shape[2]
    deviations = np.sqrt(np.maximum(squares - means * means, 0))
    return np.concatenate([means, deviations], axis=1) / 255
