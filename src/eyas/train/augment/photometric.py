"""Pillow's ImageEnhance and ImageOps on a batch, with a strength for each image.

A function with a factor takes and gives floats on [0, 255], not clipped, so that several can follow one another;
`to_bytes` ends the chain. The others take and give uint8. Pillow truncates where this rounds, and rounds in between,
so that the two may be one level apart.
"""

from __future__ import annotations

import torch
from torch import Tensor

# ITU-R 601-2, as Pillow's convert("L").
RED, GREEN, BLUE = 0.299, 0.587, 0.114


def to_bytes(images: Tensor) -> Tensor:
    """Floats rounded to the nearest of the 256 levels; overwrites its argument."""
    return images.round_().clamp_(0, 255).to(torch.int16).to(torch.uint8)  # in two steps it takes half the time


def luminance(images: Tensor) -> Tensor:
    """(m, H, W, 3) to (m, H, W, 1) by the weights of `convert("L")`; grey stays as it is."""
    if images.shape[-1] == 1:
        return images
    red, green, blue = images.unbind(-1)
    return (red * RED).add_(green, alpha=GREEN).add_(blue, alpha=BLUE)[..., None]


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """f·x: 0 is black, 1 the image.

    Args:
        images: (m, H, W, C) float32 on [0, 255].
        factor: (m,) float32, f.
    """
    return images * _each(factor)


def color(images: Tensor, factor: Tensor) -> Tensor:
    """L + f·(x - L) with L the luminance: 0 is grey, 1 the image. A grey image stays as it is."""
    if images.shape[-1] == 1:
        return images
    grey = luminance(images).expand_as(images).contiguous()  # a channel at stride 0 would cost more than this copy
    return torch.lerp(grey, images, _each(factor))


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """m + f·(x - m) with m the mean luminance, to the nearest level: 0 is even grey, 1 the image."""
    mean = luminance(images.mean((1, 2), keepdim=True)).add_(0.5).floor_()
    return torch.lerp(mean, images, _each(factor))


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """S + f·(x - S) with S smoothed by the kernel (1 1 1; 1 5 1; 1 1 1) / 13; the outermost pixels stay."""
    if min(images.shape[1:3]) < 3:
        return images
    rows = images[:, :-2] + images[:, 1:-1] + images[:, 2:]
    inner = images[:, 1:-1, 1:-1]
    smooth = (rows[:, :, :-2] + rows[:, :, 1:-1]).add_(rows[:, :, 2:]).add_(inner, alpha=4).div_(13)
    sharp = images.clone()
    sharp[:, 1:-1, 1:-1] = torch.lerp(smooth, inner, _each(factor))
    return sharp


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the upper bits of each value.

    Args:
        images: (m, H, W, C) uint8.
        bits: (m,) float32, whole numbers from 1 to 8.
    """
    lower = 2 ** (8 - bits) - 1
    return images & _each(255 - lower).to(torch.uint8)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """255 - x where x reaches the threshold.

    Args:
        images: (m, H, W, C) uint8.
        threshold: (m,) float32, 0 to 255.
    """
    invert = (images >= _each(threshold).ceil().to(torch.uint8)).to(torch.uint8).mul_(255)
    return images ^ invert  # 255 - x is x with every bit turned


def autocontrast(images: Tensor) -> Tensor:
    """Stretch each channel from its darkest and brightest value to 0 and 255; an even channel stays as it is."""
    low, high = images.amin((1, 2), keepdim=True).float(), images.amax((1, 2), keepdim=True).float()
    varied = high > low
    scale = torch.where(varied, 255 / (high - low).clamp_(min=1), 1.0)
    row = (-1, -1, images.shape[2], -1)  # a row's worth of each: see `color`
    start = torch.where(varied, low, 0.0).expand(row).contiguous()
    return to_bytes((images.float() - start).mul_(scale.expand(row).contiguous()))


def equalize(images: Tensor) -> Tensor:
    """Spread each channel's values so that their histogram is as flat as can be.

    With counts h_0 … h_255, k the brightest value there is and s = ⌊(Σh - h_k) / 255⌋, value v becomes
    ⌊(⌊s/2⌋ + Σ_{i<v} h_i) / s⌋. An image with s = 0 stays as it is: one of fewer than 256 pixels always.
    """
    m, height, width, channels = images.shape
    tables = torch.arange(m * channels, device=images.device).view(m, 1, 1, channels) * 256
    index = (images + tables).view(-1)
    counts = torch.zeros(m * channels * 256, dtype=torch.int64, device=images.device)
    counts = counts.scatter_add_(0, index, torch.ones_like(index)).view(-1, 256)
    levels = torch.arange(256, device=images.device)
    brightest = torch.where(counts > 0, levels, 0).amax(1, keepdim=True)
    step = (height * width - counts.gather(1, brightest)) // 255
    table = (step // 2 + counts.cumsum(1) - counts) // step.clamp(min=1)
    table = torch.where(step > 0, table.clamp_(max=255), levels).to(torch.uint8)
    return table.view(-1).index_select(0, index).view(images.shape)


def _each(strength: Tensor) -> Tensor:
    """(m,) to (m, 1, 1, 1)."""
    return strength[:, None, None, None]
