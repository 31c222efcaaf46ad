"""Squeeze and excite: channels weighed by what the whole image shows."""

from __future__ import annotations

from torch import Tensor, nn

REDUCTION = 16
NARROWEST = 8


class SqueezeExcite(nn.Module):
    """y = x · σ(W₂ max(0, W₁ s + b₁) + b₂) by channel, s the average of x over positions.

    The hidden layer has `channels / 16` units, but at least 8.

    Source: Hu et al. 2018, §3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(NARROWEST, channels // REDUCTION)
        self.weigh = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → the same shape."""
        weights: Tensor = self.weigh(x.mean((2, 3)))
        return x * weights[:, :, None, None]


def squeeze_excite(channels: int, wanted: bool) -> list[nn.Module]:
    """The layer, or none."""
    return [SqueezeExcite(channels)] if wanted else []
