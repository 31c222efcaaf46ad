"""The layers of B networks of one architecture, each a single operation for all of them.

Activations are (M, n, D) behind dense layers, model after model, and maps are (n, M · C, H, W), the channels of one
model beside those of the next. M is B, or 1 as long as all models still see the same numbers: the images of a batch
that they share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d

from eyas.nn.dropout import LEVELS, Dropout

Stacked = Callable[[Tensor], Tensor]

SHARED = (nn.MaxPool2d, nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.ELU, nn.LeakyReLU)
"""Layers without weights that treat every number or channel alike: the network's own serves all models."""


class StackedFlatten:
    """(n, M · C, H, W) → (M, n, C · H · W).

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        self.channels = channels

    def __call__(self, maps: Tensor) -> Tensor:
        """Each model's numbers in the order in which its own network has them."""
        return torch.unflatten(maps, 1, (-1, self.channels)).transpose(0, 1).flatten(2)


class StackedLinear:
    """y_b = x_b W_bᵀ + b_b, one batched product.

    Args:
        weight: (B, outputs, inputs).
        bias: (B, outputs).
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, x: Tensor) -> Tensor:
        """(M, n, inputs) → (B, n, outputs)."""
        return torch.baddbmm(self.bias[:, None], x.expand(len(self.weight), -1, -1), self.weight.transpose(1, 2))


class StackedConv:
    """A convolution in as many groups as there are models; in one group while all see the same images.

    Args:
        weight: (B, F, C, 3, 3).
        bias: (B, F).
    """

    def __init__(self, weight: Tensor, bias: Tensor, padding: int) -> None:
        self.weight, self.bias, self.padding = weight, bias, padding

    def __call__(self, maps: Tensor) -> Tensor:
        """(n, M · C, H, W) → (n, B · F, H, W)."""
        groups = maps.shape[1] // self.weight.shape[2]
        return conv2d(maps, self.weight.flatten(0, 1), self.bias.flatten(), padding=self.padding, groups=groups)


class StackedBatchNorm:
    """Batch norm in training: every model has statistics of its own, and its layer's buffers follow them on `unload`.

    Args:
        layers: B, one of each network.
        weight, bias: (B, C).
    """

    def __init__(self, layers: Sequence[nn.BatchNorm1d | nn.BatchNorm2d], weight: Tensor, bias: Tensor) -> None:
        self.layers, self.weight, self.bias = layers, weight, bias
        self.mean = torch.cat([cast(Tensor, layer.running_mean) for layer in layers])
        self.variance = torch.cat([cast(Tensor, layer.running_var) for layer in layers])
        self.steps = 0

    def __call__(self, x: Tensor) -> Tensor:
        """The same shape."""
        self.steps += 1
        if x.ndim == 4:
            return self._normed(x)
        n = x.shape[1]
        return self._normed(x.transpose(0, 1).reshape(n, -1)).view(n, len(self.layers), -1).transpose(0, 1)

    def _normed(self, x: Tensor) -> Tensor:
        """(n, B · C, …): channels of different models are different channels."""
        momentum, epsilon = cast(float, self.layers[0].momentum), self.layers[0].eps
        weight, bias = self.weight.flatten(), self.bias.flatten()
        return batch_norm(x, self.mean, self.variance, weight, bias, training=True, momentum=momentum, eps=epsilon)

    def unload(self) -> None:
        """Bring the layers' own buffers up to date."""
        means, variances = self.mean.chunk(len(self.layers)), self.variance.chunk(len(self.layers))
        for layer, mean, variance in zip(self.layers, means, variances, strict=True):
            cast(Tensor, layer.running_mean).copy_(mean)
            cast(Tensor, layer.running_var).copy_(variance)
            cast(Tensor, layer.num_batches_tracked).add_(self.steps)
        self.steps = 0


class StackedDropout:
    """Inverted dropout at a rate of each model's own, with the masks that `nn.Dropout` of `eyas.nn` would draw for it.

    Args:
        rates: B shares of the elements set to zero; a model of rate 0 draws nothing, as it has no such layer.
        generators: B, each in the state in which the model's own run would have torch's.
    """

    def __init__(self, rates: Sequence[float], generators: Sequence[torch.Generator]) -> None:
        dropped = [round(rate * LEVELS) for rate in rates]
        self.drawing = [(model, generators[model]) for model, rate in enumerate(rates) if rate]
        self.least = torch.tensor([[d - LEVELS // 2] for d in dropped], dtype=torch.int16)
        self.scale = torch.tensor([[LEVELS / (LEVELS - d)] for d in dropped])

    def __call__(self, x: Tensor) -> Tensor:
        """(M, n, D) → (B, n, D), or maps (n, B · C, H, W) → the same."""
        models = len(self.least)
        if x.ndim == 3:
            return x * self._masks(x[0].numel(), x.dtype).view(models, *x.shape[1:])
        n, _, height, width = x.shape
        masks = self._masks(x.numel() // models, x.dtype).view(models, n, height, width, -1)  # a network's own order
        return (torch.unflatten(x, 1, (models, -1)) * masks.permute(1, 0, 4, 2, 3)).flatten(1, 2)

    def _masks(self, size: int, dtype: torch.dtype) -> Tensor:
        """(B, size): 0 or the scale. Every 64-bit draw gives four masks of 16 bits."""
        draws = torch.zeros(len(self.least), (size + 3) // 4, dtype=torch.int64)
        for model, generator in self.drawing:
            draws[model].random_(-(1 << 63), None, generator=generator)
        bits = draws.view(torch.int16)[:, :size]
        return (bits >= self.least).to(dtype).mul_(self.scale)


def rates_of(layers: Sequence[nn.Module | None]) -> list[float]:
    """The rate of each dropout layer; 0 where a network has none there."""
    return [layer.p if isinstance(layer, Dropout) else 0.0 for layer in layers]
