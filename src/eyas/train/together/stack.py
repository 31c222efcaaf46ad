"""B networks of one architecture as one program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from eyas.core.errors import TrainingError
from eyas.nn import Network
from eyas.nn.dropout import Dropout
from eyas.train.together.layers import (
    SHARED,
    Stacked,
    StackedBatchNorm,
    StackedConv,
    StackedDropout,
    StackedFlatten,
    StackedLinear,
    rates_of,
)


class Stack:
    """The training pass of B networks that differ in their weights, dropout rates and L2 penalties alone.

    All weights lie in one matrix, a model a row, so that an optimiser's rule is a few operations for all of them. The
    networks themselves stand still until `unload`.

    Args:
        networks: of one architecture, without frozen weights, on the CPU.
        generators: B, for the masks of dropout.
    """

    def __init__(self, networks: Sequence[Network], generators: Sequence[torch.Generator]) -> None:
        self.networks = networks
        self.weights = torch.stack([as_row(network.parameters()) for network in networks])
        """(B, P) float32."""
        self.l2 = torch.tensor([network.l2 for network in networks])
        shapes = [weight.shape for weight in networks[0].parameters()]
        parts = torch.split(self.weights, [shape.numel() for shape in shapes], dim=1)
        self._leaves = [
            torch.unflatten(part, 1, shape).detach().requires_grad_() for part, shape in zip(parts, shapes, strict=True)
        ]
        self._layers = list(_stacked(networks, iter(self._leaves), generators))

    def __call__(self, images: Tensor) -> Tensor:
        """(n, H, W, C) uint8 images for all models, or (B, n, H, W, C) → (B, n, K) logits, in training mode."""
        maps: Tensor = self.networks[0].normalise(images.flatten(0, -4))
        if images.ndim == 5:
            maps = torch.unflatten(maps, 0, images.shape[:2]).transpose(0, 1).flatten(1, 2)
        for layer in self._layers:
            maps = layer(maps)
        return maps

    def penalty(self) -> Tensor | float:
        """(B,) the L2 penalty of each network; see `Network.penalty`."""
        kernels = [layer.weight for layer in self._layers[:-1] if isinstance(layer, StackedLinear)]
        if not kernels or not self.l2.any():
            return 0.0
        return self.l2 * torch.stack([kernel.square().sum((1, 2)) for kernel in kernels]).sum(0)

    def gradients(self, losses: Tensor) -> Tensor:
        """(B, P) gradients of (B,) losses, each by its own model's weights."""
        found = torch.autograd.grad(losses.sum(), self._leaves)
        return torch.cat([gradient.flatten(1) for gradient in found], dim=1)

    @torch.no_grad()
    def unload(self) -> None:
        """Give the networks their weights and running statistics."""
        for network, row in zip(self.networks, self.weights, strict=True):
            fill(network.parameters(), row)
        for layer in self._layers:
            if isinstance(layer, StackedBatchNorm):
                layer.unload()


@torch.no_grad()
def as_row(tensors: Iterator[Tensor] | Sequence[Tensor]) -> Tensor:
    """All numbers, one tensor after the other."""
    return torch.cat([tensor.flatten() for tensor in tensors])


@torch.no_grad()
def fill(tensors: Iterator[Tensor] | Sequence[Tensor], row: Tensor) -> None:
    """Copy back what `as_row` gave."""
    tensors = list(tensors)
    parts = torch.split(row, [tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


def _chain(network: Network) -> list[nn.Module]:
    return [*network.body.children(), network.head]


def _stacked(
    networks: Sequence[Network], weights: Iterator[Tensor], generators: Sequence[torch.Generator]
) -> Iterator[Stacked]:
    """One stacked layer for every layer of the networks; `weights` come in the order of `parameters()`."""
    channels = networks[0].normalise.scale.shape[1]
    for layers in _side_by_side(networks):
        match layers[0]:
            case nn.Flatten():
                yield StackedFlatten(channels)
            case nn.Linear():
                yield StackedLinear(next(weights), next(weights))
            case nn.Conv2d(out_channels=channels, padding=(int(padding), _)):
                yield StackedConv(next(weights), next(weights), padding)
            case nn.BatchNorm1d() | nn.BatchNorm2d():
                norms = cast(list[nn.BatchNorm1d | nn.BatchNorm2d], layers)
                yield StackedBatchNorm(norms, next(weights), next(weights))
            case layer if isinstance(layer, SHARED):
                yield layer
            case layer if layer is None or isinstance(layer, Dropout):
                yield StackedDropout(rates_of(layers), generators)
            case layer:
                raise TrainingError(f"networks can be trained together without {type(layer).__name__}, got one with it")


def _side_by_side(networks: Sequence[Network]) -> Iterator[list[nn.Module | None]]:
    """Layer by layer, that of each network; None where it has no dropout and another has."""
    chains = [_chain(network)[::-1] for network in networks]
    while chains[0]:
        if any(isinstance(chain[-1], Dropout) for chain in chains):
            yield [chain.pop() if isinstance(chain[-1], Dropout) else None for chain in chains]
        else:
            yield [chain.pop() for chain in chains]
