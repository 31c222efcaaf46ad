"""Resizing inside the network, by two matrix products: the same numbers in PyTorch and in the exported graph."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

FILTERS = {name: Image.Resampling[name.upper()] for name in ("nearest", "bilinear", "bicubic", "lanczos")}


class Resize(nn.Module):
    """Y = A X Bᵀ for each channel: (N, C, H, W) → (N, C, size, size), A and B being Pillow's own filter as matrices.

    What Pillow computes for images of floats: no rounding to bytes, antialiased where the image shrinks.

    Args:
        height, width: of the images that come.
        interpolation: one of FILTERS.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, height: int, width: int, size: int, interpolation: str) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("rows", resize_matrix(height, size, interpolation), persistent=False)
        self.register_buffer("columns", resize_matrix(width, size, interpolation).T.contiguous(), persistent=False)

    def extra_repr(self) -> str:
        """Also what tells one network from another where a probe's answer is kept."""
        return f"{self.columns.shape[0]}, {self.rows.shape[1]}, {self.size}"

    def forward(self, images: Tensor) -> Tensor:
        """Channels-last in memory, as convolutions like it."""
        resized = self.rows @ (images.contiguous() @ self.columns)
        return resized.contiguous(memory_format=torch.channels_last)


def resize_matrix(before: int, after: int, interpolation: str) -> Tensor:
    """(after, before) float32: its product with a column of pixels is that column as Pillow resizes it."""
    units = Image.fromarray(np.eye(before, dtype=np.float32))
    return torch.from_numpy(np.array(units.resize((before, after), FILTERS[interpolation])))
