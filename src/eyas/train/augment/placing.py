"""Flip and crop in one pass: a row of the result is always a run of neighbouring bytes in a padded row."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eyas.train.augment.draws import send


def place(images: Tensor, flips: NDArray[np.bool_], offsets: NDArray[np.int64], pad: int) -> Tensor:
    """Flip some images left to right, mirror each outwards, and cut its own size out again.

    The buffer holds the images padded to the left and right, those that stay first and the flipped ones after them.
    Each row of the result is then W·C neighbouring bytes of it, and one gather over all windows of that length copies
    them in their order: a memcpy for each row, no index for each pixel, and the rows above and below cost nothing.

    Args:
        images: (n, H, W, C) uint8.
        flips: (n,) which to flip.
        offsets: (2, n) down and right, of the window in the padded image: 0 to 2·pad.
        pad: pixels on every side, below H and W. The edge itself is not repeated (numpy's and torch's `reflect`).

    Returns:
        (n, H, W, C) uint8, a new tensor.
    """
    n, height, width, channels = images.shape
    order = np.argsort(flips, kind="stable")
    stay = n - int(flips.sum())
    order_there, place_there, down, right = send(images.device, order, np.argsort(order), *offsets)
    padded = images.new_empty(n, height, width + 2 * pad, channels)
    middle = padded[:, :, pad : pad + width]
    middle[:stay] = images.index_select(0, order_there[:stay])
    middle[stay:] = images.index_select(0, order_there[stay:]).flip(2)
    for k in range(1, pad + 1):
        padded[:, :, pad - k] = middle[:, :, k]
        padded[:, :, pad + width - 1 + k] = middle[:, :, width - 1 - k]

    rows = _reflect(torch.arange(height, device=images.device) + (down - pad)[:, None], height)
    starts = (place_there[:, None] * height + rows) * (width + 2 * pad) + right[:, None]
    pixels = n * height * (width + 2 * pad)
    windows = padded.view(-1).as_strided((pixels - width + 1, width * channels), (channels, 1))
    return windows.index_select(0, starts.view(-1)).view(images.shape)


def _reflect(index: Tensor, size: int) -> Tensor:
    """Bring indices from -(size - 1) to 2·(size - 1) back into the image, as in a mirror at its outermost pixels."""
    return (size - 1) - ((size - 1) - index.abs()).abs()
