"""WRN-depth-width: wide residual networks with pre-activation."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import relu

from eyas.core.schema import WideResNetConfig
from eyas.nn.layers import dropout, require_side
from eyas.nn.squeeze import squeeze_excite

STEM = 16
GROUPS = (16, 32, 64)  # channels at width 1
SMALLEST = 4  # the second and third group halve the image


def build_wide_resnet(
    config: WideResNetConfig, input_shape: tuple[int, int, int], classes: int
) -> tuple[nn.Module, nn.Module]:
    """Body and head.

    conv 3×3 to 16 ─ three groups of (depth - 4) / 6 blocks ─ norm ─ ReLU ─ global average ┃ dense

    The first block of the second and of the third group takes every other pixel. He's initialisation.

    Args:
        input_shape: (H, W, C).
        classes: K.

    Raises:
        ConfigError: a side of fewer than 4 pixels.

    Source: Zagoruyko & Komodakis 2016 (arXiv 1605.07146), table 1 and figure 1.
    """
    require_side(config.name, input_shape, SMALLEST)
    widths = (STEM, *(config.width * channels for channels in GROUPS))
    blocks = (config.depth - 4) // 6
    layers: list[nn.Module] = [nn.Conv2d(input_shape[-1], STEM, 3, padding=1, bias=False)]
    for group, (inputs, outputs) in enumerate(pairwise(widths)):
        layers.append(Block(inputs, outputs, 1 if group == 0 else 2, config))
        layers += [Block(outputs, outputs, 1, config) for _ in range(blocks - 1)]
    body = nn.Sequential(*layers, norm(widths[-1], config), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for layer in body.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    head = nn.Linear(widths[-1], classes)
    nn.init.zeros_(head.bias)
    return body, head


class Block(nn.Module):
    """x + (norm ─ ReLU ─ conv 3×3 ─ norm ─ ReLU ─ dropout ─ conv 3×3 ─ squeeze and excite).

    Where channels or size change, x too goes through the first norm and ReLU, and then a 1×1 convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, config: WideResNetConfig) -> None:
        super().__init__()
        self.norm1 = norm(inputs, config)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm2 = norm(outputs, config)
        self.dropout = nn.Sequential(*dropout(config.dropout))
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.weigh = nn.Sequential(*squeeze_excite(outputs, config.squeeze_excite))
        same = inputs == outputs and stride == 1
        self.shortcut = None if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, D, ⌈H / stride⌉, ⌈W / stride⌉)."""
        first = relu(self.norm1(x))
        shortcut: Tensor = x if self.shortcut is None else self.shortcut(first)
        y = self.dropout(relu(self.norm2(self.conv1(first))))
        return shortcut + self.weigh(self.conv2(y))  # type: ignore[no-any-return]


def norm(channels: int, config: WideResNetConfig) -> nn.BatchNorm2d:
    """Batch norm with a learned scale and shift."""
    return nn.BatchNorm2d(channels, momentum=1 - config.batch_norm_momentum)
