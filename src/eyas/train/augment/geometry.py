"""Shear, translation and rotation: one affine map for each image, nearest neighbour, black where nothing is.

Nearest neighbour because the policies' authors and torchvision take it: no operation then blurs a small image.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FIXED = 16  # binary places, as Pillow has for images of less than 32,768 pixels a side


def matrices(kind: NDArray[np.str_], strength: NDArray[np.float64], height: int, width: int) -> NDArray[np.int64]:
    """The maps from a pixel of the result to one of the image, x' = a·x + b·y + c and y' = d·x + e·y + f.

    As Pillow has them: shears about the upper left corner, rotation counter-clockwise about the middle.

    Args:
        kind: (n,) of `shear_x`, `shear_y`, `translate_x`, `translate_y`, `rotate`; others give the identity.
        strength: (n,) the slope, pixels, degrees.
        height: H of the images.
        width: W.

    Returns:
        (6, n) a to f with 16 binary places; c and f are those of the middle of the first pixel.
    """
    angle = np.deg2rad(np.where(kind == "rotate", -strength, 0))
    cos, sin = np.cos(angle), np.sin(angle)
    a, b, d, e = (
        cos,
        sin + np.where(kind == "shear_x", strength, 0),
        -sin + np.where(kind == "shear_y", strength, 0),
        cos,
    )
    c = np.where(kind == "translate_x", strength, width / 2 * (1 - cos) - height / 2 * sin)
    f = np.where(kind == "translate_y", strength, width / 2 * sin + height / 2 * (1 - cos))
    floats = np.stack([a, b, c + (a + b) / 2, d, e, f + (d + e) / 2])
    return np.floor(floats * (1 << FIXED) + 0.5).astype(np.int64)


def affine(images: Tensor, maps: tuple[Tensor, ...]) -> Tensor:
    """Each image by its own map; the same bytes as Pillow's `transform(AFFINE, NEAREST)`.

    Args:
        images: (m, H, W, C) uint8.
        maps: a to f of `matrices`, (m,) int64 each.

    Returns:
        (m, H, W, C) uint8.
    """
    m, height, width, channels = images.shape
    a, b, c, d, e, f = (each[:, None, None].to(torch.int32) for each in maps)
    x = torch.arange(width, dtype=torch.int32, device=images.device)
    y = torch.arange(height, dtype=torch.int32, device=images.device)[:, None]
    column = (a * x + (b * y + c)).bitwise_right_shift_(FIXED)
    row = (d * x + (e * y + f)).bitwise_right_shift_(FIXED)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    first = torch.arange(m, dtype=torch.int32, device=images.device)[:, None, None] * (height * width)
    pixel = torch.where(inside, row.mul_(width).add_(column).add_(first), m * height * width)
    pixels = torch.cat([images.reshape(-1, channels), images.new_zeros(1, channels)])  # the last is what lies outside
    return pixels.index_select(0, pixel.view(-1)).view(images.shape)
