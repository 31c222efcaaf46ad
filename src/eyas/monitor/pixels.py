"""What an image is like before any model sees it: each channel's mean and deviation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GRID = 64
"""A longer side is thinned to fewer than twice this many pixels, so that a large image takes no longer than a small."""


def image_statistics(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean and deviation of each channel on [0, 1].

    Args:
        image: (H, W, C) uint8, as the graph takes it.

    Returns:
        (2C,) float32: C means, then C deviations.
    """
    height, width, channels = image.shape
    thinned = image[:: max(1, height // GRID), :: max(1, width // GRID)]
    pixels = thinned.reshape(-1, channels).astype(np.float64)
    # Products of integers below 2^53: exact in any order, so the same on every machine.
    means = np.ones(len(pixels)) @ pixels / len(pixels)
    squares = (pixels.T @ pixels).diagonal() / len(pixels)
    deviations = np.sqrt(np.maximum(squares - means * means, 0))
    return (np.concatenate([means, deviations]) / 255).astype(np.float32)


def all_statistics(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`image_statistics` of each of (N, H, W, C) images: (N, 2C) float32."""
    found = np.empty((len(images), 2 * images.shape[3]), np.float32)
    for row, image in enumerate(images):
        found[row] = image_statistics(image)
    return found
