"""Progressive resizing: small images first, which are cheap, and the real size at the end."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn.functional import interpolate


def side_at(sizes: Mapping[float, int], progress: float) -> int:
    """The side in force at this share of the run: that of the last stage that has begun.

    Args:
        sizes: first share → side in pixels, ascending from share 0.
    """
    return [side for share, side in sizes.items() if share <= progress][-1]


def resized(images: Tensor, side: int) -> Tensor:
    """Bring the smaller side to `side` pixels, by area-weighted (antialiased) bilinear interpolation.

    Args:
        images: (n, H, W, C) uint8.

    Returns:
        (n, H', W', C) uint8; the very same tensor where nothing changes.
    """
    height, width = images.shape[1:3]
    if min(height, width) == side:
        return images
    scale = side / min(height, width)
    size = [round(height * scale), round(width * scale)]
    planes = images.permute(0, 3, 1, 2)
    if images.is_cuda:  # torch's kernel for bytes is the CPU's
        smooth = interpolate(planes.float(), size, mode="bilinear", antialias=True, align_corners=False)
        return smooth.round().clamp(0, 255).byte().permute(0, 2, 3, 1)
    return interpolate(planes, size, mode="bilinear", antialias=True, align_corners=False).permute(0, 2, 3, 1)
