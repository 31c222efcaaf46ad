"""Pieces that the networks share, with Keras's defaults."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from eyas.core.schema import Activation
from eyas.nn.dropout import Dropout

KERAS_BATCH_NORM_EPSILON = 1e-3

ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),  # Keras: negative_slope=0.2 in the activation by name
}


# max(f(a), f(b)) = f(max(a, b)) for these: pooling first gives the same numbers from a quarter of the work.
MONOTONE: frozenset[Activation] = frozenset({"relu", "tanh", "elu", "leaky_relu"})


def batch_norm(kind: type[nn.BatchNorm1d | nn.BatchNorm2d], channels: int, momentum: float) -> nn.Module:
    """Batch norm by Keras's convention: `momentum` is the share of the running statistics that is kept."""
    return kind(channels, eps=KERAS_BATCH_NORM_EPSILON, momentum=1 - momentum)


def dropout(rate: float) -> list[nn.Module]:
    """A dropout layer, or none at rate 0."""
    return [Dropout(rate)] if rate else []


def initialise(module: nn.Module) -> None:
    """Keras's defaults for dense and convolution layers: Glorot uniform kernels, zero biases.

    Source: Glorot & Bengio 2010, eq. 16; `keras.layers.Dense(kernel_initializer="glorot_uniform")`.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
