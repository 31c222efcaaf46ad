"""Sharpness-aware minimisation: the gradient is taken where the loss is worse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from eyas.nn import Network


@contextmanager
def perturbed(network: Network, rho: float) -> Iterator[None]:
    """Within: weights moved by ρ g / ‖g‖ along their gradients g, no gradients, and running statistics that stand.

    Args:
        rho: Euclidean distance over all weights.

    Source: Foret et al. 2021, eq. 2.
    """
    weights: list[Tensor] = [weight for weight in network.parameters() if weight.grad is not None]
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    norm = torch.stack(torch._foreach_norm(gradients)).norm()
    moves = torch._foreach_mul(gradients, rho / (norm + 1e-12))
    _move(weights, moves, 1)
    for weight in weights:
        weight.grad = None
    with _statistics_kept(network):
        yield
    _move(weights, moves, -1)


@torch.no_grad()
def _move(weights: list[Tensor], moves: tuple[Tensor, ...], sign: int) -> None:
    torch._foreach_add_(weights, moves, alpha=sign)


@contextmanager
def _statistics_kept(network: Network) -> Iterator[None]:
    """Batch norm normalises by its batch, and does not learn from it."""
    norms = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    kept = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    yield
    for layer, momentum in zip(norms, kept, strict=True):
        layer.momentum = momentum
