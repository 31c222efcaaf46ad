"""Keras's Normalization as a torch module, whose statistics are saved with the weights.

Keras's own layer computes from copies of its statistics that loading alone brings up to date.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from eyas.nn.from_keras.library import keras_on_torch


class Normalization(nn.Module):
    """(x - mean) / max(√variance, ε), or mean + x · max(√variance, ε).

    Args:
        mean, variance: of a shape that broadcasts to that of x.
        least: ε.
        invert: whether it is the second.
    """

    def __init__(self, mean: Tensor, variance: Tensor, least: float, *, invert: bool) -> None:
        super().__init__()
        self.mean: Tensor
        self.variance: Tensor
        self.register_buffer("mean", mean)
        self.register_buffer("variance", variance)
        self.least, self.invert = least, invert

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        deviation = self.variance.sqrt().clamp(min=self.least)
        return self.mean + x * deviation if self.invert else (x - self.mean) / deviation


def normalization(layer: Any) -> Normalization:
    """What computes the same as this built layer."""
    mean, variance = (torch.as_tensor(value).detach().clone() for value in (layer.mean, layer.variance))
    return Normalization(mean, variance, keras_on_torch().config.epsilon(), invert=layer.invert)
