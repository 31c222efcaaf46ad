"""Images of any size as 32×32, the size at which pairs are looked for and looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
SIDE = 32
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Of red, green and blue: ITU-R BT.601, as in JPEG."""


def canonical(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, H, W, C) uint8 to (n, 32, 32, C) uint8: a triangle filter, wide where it shrinks, linear where it grows."""
    _, height, width, _ = images.shape
    if height == width == SIDE:
        return images
    pixels = images.astype(np.float32)
    if height != SIDE:
        pixels = np.einsum("yh,nhwc->nywc", _weights(height, SIDE), pixels, optimize=True)
    if width != SIDE:
        pixels = np.einsum("xw,nywc->nyxc", _weights(width, SIDE), pixels, optimize=True)
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def luminance(pixels: NDArray[np.uint8]) -> Floats:
    """(n, 32, 32, C) to (n, 32, 32), in 0..255."""
    values = pixels.astype(np.float32)
    grey: Floats = values[..., 0] if values.shape[-1] == 1 else values @ LUMA
    return grey


def blur(planes: Floats, radius: int) -> Floats:
    """The mean over (2r+1)² neighbours, edges repeated: (n, h, w) to the same."""
    for axis in (1, 2):
        pad = [(0, 0)] * 3
        pad[axis] = (radius + 1, radius)
        sums = np.pad(planes, pad, mode="edge").cumsum(axis, dtype=np.float32)
        size = planes.shape[axis]
        upper, lower = [slice(None)] * 3, [slice(None)] * 3
        upper[axis], lower[axis] = slice(2 * radius + 1, None), slice(0, size)
        planes = (sums[tuple(upper)] - sums[tuple(lower)]) / np.float32(2 * radius + 1)
    return planes


def _weights(size: int, target: int) -> Floats:
    """(target, size), rows sum to 1: how much of each input pixel an output pixel takes (a triangle filter)."""
    reach = max(1.0, size / target)
    centres = (np.arange(target)[:, None] + 0.5) * size / target - 0.5
    weights = np.clip(1 - np.abs(np.arange(size)[None] - centres) / reach, 0, None)
    scaled: Floats = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return scaled
