"""The widest network that a number of parameters allows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from eyas.core.errors import ConfigError

STEP = 8
BISECTIONS = 24  # of an interval of scales no longer than the result: finer than any step of a width below 2²⁰


def widest(
    widths: tuple[int, ...], build: Callable[[tuple[int, ...]], tuple[nn.Module, ...]], limit: int
) -> tuple[int, ...]:
    """s · widths, each rounded to a multiple of 8 and at least 8, with the largest s that keeps to the limit.

    Args:
        build: the network of some widths; it is called on torch's meta device, where nothing is computed.
        limit: trainable parameters.

    Raises:
        ConfigError: even with 8 channels everywhere there are more.
    """

    def parameters(scale: float) -> int:
        with torch.device("meta"):
            return sum(p.numel() for part in build(scaled(widths, scale)) for p in part.parameters() if p.requires_grad)

    low, high = 0.0, 1.0
    if (narrowest := parameters(low)) > limit:
        raise ConfigError(
            f"model.parameters must be at least {narrowest:,}, what a network of {STEP} channels everywhere has, "
            f"got {limit:,}"
        )
    while parameters(high) <= limit:
        low, high = high, 2 * high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if parameters(middle) <= limit else (low, middle)
    return scaled(widths, low)


def scaled(widths: tuple[int, ...], scale: float) -> tuple[int, ...]:
    """Each width times the scale, to the nearest multiple of 8 that is not 0."""
    return tuple(max(STEP, int(width * scale / STEP + 0.5) * STEP) for width in widths)
