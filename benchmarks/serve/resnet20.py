"""ResNet-20 for images of 32 × 32 (He et al. 2016, §4.2): 0.27M parameters, as a network of the user's own for eyas."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTHS = (16, 32, 64)
BLOCKS = 3


def build(input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Stem, three groups of three blocks, global average, dense."""
    layers: list[nn.Module] = [_conv(input_shape[-1], WIDTHS[0]), nn.ReLU()]
    inputs = WIDTHS[0]
    for width in WIDTHS:
        for index in range(BLOCKS):
            layers.append(Block(inputs, width, stride=2 if index == 0 and width != WIDTHS[0] else 1))
            inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


class Block(nn.Module):
    """relu(x + conv(relu(conv(x)))); the shortcut is a 1 × 1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(inputs, outputs, stride), nn.ReLU(), _conv(outputs, outputs))
        same = inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, D, H / stride, W / stride)."""
        return torch.relu(self.shortcut(x) + self.body(x))


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs))
