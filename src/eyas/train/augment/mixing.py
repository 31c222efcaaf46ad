"""Two images in one: MixUp and CutMix, with draws of its own for every image."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eyas.train.augment.boxes import box_mask, paste
from eyas.train.augment.draws import draw_pixels, send

LEVELS = 128  # the most for which (a - b)·λ·LEVELS fits into 16 bits


def draw_partners(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """(n,) another image of the batch for each, every one once: a random cycle, so that none meets itself."""
    cycle = rng.permutation(n)
    partners = np.empty(n, np.int64)
    partners[cycle] = np.roll(cycle, -1)
    return partners


def mixup(images: Tensor, others: Tensor, alpha: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """x = λ·a + (1 - λ)·b with λ ~ Beta(α, α), rounded to the nearest level.

    λ is taken to the nearest 1/128, and the label's share with it: 16-bit integers then suffice, exact and the same
    on every device, at a third of the time of floats.

    Args:
        images: (n, H, W, C) uint8, a.
        others: the same, b.

    Returns:
        (n, H, W, C) uint8, and (n,) float32 λ.

    Source: Zhang, Cissé, Dauphin & Lopez-Paz 2018, §2.
    """
    levels = np.rint(rng.beta(alpha, alpha, len(images)) * LEVELS).astype(np.int64)
    (weight,) = send(images.device, levels)
    difference = images.to(torch.int16).sub_(others)
    difference.mul_(weight.to(torch.int16)[:, None, None, None]).add_(LEVELS // 2).bitwise_right_shift_(7)
    return difference.add_(others).to(torch.uint8), weight.float().div_(LEVELS)


def cutmix(images: Tensor, others: Tensor, alpha: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """a outside, b inside a rectangle of the image's proportions that covers 1 - λ of it, with λ ~ Beta(α, α).

    The middle lies anywhere, what hangs over the edge is cut off, and the share is what is left of a in truth.

    Args:
        images: (n, H, W, C) uint8, a.
        others: the same, b.

    Returns:
        (n, H, W, C) uint8, and (n,) float32: the share of the pixels that are a's.

    Source: Yun et al. 2019, §3.1.
    """
    n, height, width, _ = images.shape
    size = np.array([[height], [width]])
    sides = np.rint(size * np.sqrt(1 - rng.beta(alpha, alpha, n))).astype(np.int64)
    corners = draw_pixels(rng, n, height, width) - sides // 2
    starts, ends = np.maximum(corners, 0), np.minimum(corners + sides, size)
    share = 1 - np.prod(ends - starts, axis=0) / (height * width)
    (weight,) = send(images.device, share.astype(np.float32))
    return paste(images, others, box_mask(images, starts, ends)), weight
