"""The fast residual network: a whitened stem, groups that pool once and then add to what they have, one vector."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from eyas.core.schema import ResNetConfig
from eyas.nn.layers import ACTIVATIONS, ScaledLinear, dropout, require_side
from eyas.nn.sizing import widest
from eyas.nn.squeeze import squeeze_excite
from eyas.nn.stem import Whitening

STEM = 8  # maps for each channel of the image: both signs of every direction in a 2×2 patch
SMALLEST = 8


def build_resnet(config: ResNetConfig, input_shape: tuple[int, int, int], classes: int) -> tuple[nn.Module, nn.Module]:
    """Body and head.

    stem ─ group … group ─ global pool ─ dropout ┃ dense, without bias, times `head_scale`

    The head has no bias: the shifts of the batch norms before it can say the same.

    Args:
        input_shape: (H, W, C).
        classes: K.

    Raises:
        ConfigError: a side of fewer than 8 pixels, or `parameters` below what the narrowest network has.
    """
    require_side(config.name, input_shape, SMALLEST)
    channels = input_shape[-1]
    if config.parameters is None:
        return _network(config, config.widths, channels, classes)
    widths = widest(config.widths, lambda widths: _network(config, widths, channels, classes), config.parameters)
    return _network(config, widths, channels, classes)


def _network(config: ResNetConfig, widths: tuple[int, ...], channels: int, classes: int) -> tuple[nn.Module, nn.Module]:
    pool = nn.AdaptiveAvgPool2d(1) if config.pool == "average" else nn.AdaptiveMaxPool2d(1)
    blocks = (config.blocks,) * len(widths) if isinstance(config.blocks, int) else config.blocks
    groups = [
        Group(inputs, outputs, count, config, early_pool=config.early_pool and index > 0)
        for index, ((inputs, outputs), count) in enumerate(
            zip(pairwise((STEM * channels, *widths)), blocks, strict=True)
        )
    ]
    body = nn.Sequential(*_stem(channels, config), *groups, pool, nn.Flatten(), *dropout(config.dropout))
    return body, ScaledLinear(widths[-1], classes, config.head_scale)


def _stem(channels: int, config: ResNetConfig) -> list[nn.Module]:
    """From C channels to 8 C maps: whitened once and for all, or learned."""
    if config.whitening:
        return [Whitening(channels), ACTIVATIONS[config.activation]()]
    outputs = STEM * channels
    return [conv3x3(channels, outputs), norm(outputs, config), ACTIVATIONS[config.activation]()]


class Group(nn.Module):
    """conv 3×3 ─ max-pool 2×2 ─ norm ─ activation, then `blocks` residual convolutions, then squeeze and excite.

    The pool is left out where a side has shrunk to 1, and comes before the convolution where `early_pool`.
    """

    def __init__(self, inputs: int, outputs: int, blocks: int, config: ResNetConfig, *, early_pool: bool) -> None:
        super().__init__()
        self.early_pool = early_pool
        self.conv = conv3x3(inputs, outputs)
        self.norm = norm(outputs, config)
        self.activation = ACTIVATIONS[config.activation]()
        self.blocks = nn.Sequential(*(Residual(outputs, config) for _ in range(blocks)))
        self.weigh = nn.Sequential(*squeeze_excite(outputs, config.squeeze_excite))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, D, H // 2, W // 2)."""
        x = self.conv(_halved(x)) if self.early_pool else _halved(self.conv(x))
        x = self.blocks(self.activation(self.norm(x)))
        return self.weigh(x)  # type: ignore[no-any-return]


def _halved(x: Tensor) -> Tensor:
    return max_pool2d(x, 2) if min(x.shape[2:]) > 1 else x


class Residual(nn.Module):
    """x + activation(norm(conv 3×3 (x)))."""

    def __init__(self, channels: int, config: ResNetConfig) -> None:
        super().__init__()
        self.conv = conv3x3(channels, channels)
        self.norm = norm(channels, config)
        self.activation = ACTIVATIONS[config.activation]()

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x + self.activation(self.norm(self.conv(x)))  # type: ignore[no-any-return]


def norm(channels: int, config: ResNetConfig) -> nn.BatchNorm2d:
    """Batch norm whose scale stays 1 unless the configuration learns it too."""
    layer = nn.BatchNorm2d(channels, momentum=1 - config.batch_norm_momentum)
    layer.weight.requires_grad_(config.norm_scale)
    return layer


def conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    """Without bias. At first the leading outputs copy the inputs (Jordan 2024, §3.3), the others are torch's own."""
    layer = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    copies = min(inputs, outputs)
    with torch.no_grad():
        layer.weight[:copies] = 0
        layer.weight[:copies, :copies, 1, 1].fill_diagonal_(1)
    return layer
