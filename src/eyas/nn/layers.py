"""Pieces that the networks share, with Keras's defaults."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.functional import linear

from eyas.core.errors import ConfigError
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


class ScaledLinear(nn.Linear):
    """y = (W x) · scale: logits whose size at the start is chosen apart from the weights'.

    The kernel is scaled, not the logits: there are fewer of its elements than of a large batch's.
    """

    def __init__(self, inputs: int, outputs: int, scale: float) -> None:
        super().__init__(inputs, outputs, bias=False)
        self.scale = scale

    @property
    def kernel(self) -> Tensor:
        """(outputs, inputs): what the input is multiplied by in effect."""
        return self.weight if self.scale == 1 else self.weight * self.scale

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs) → (N, outputs)."""
        return linear(x, self.kernel)


def require_side(name: str, input_shape: tuple[int, int, int], smallest: int) -> None:
    """Refuse images that a network's pools would leave nothing of.

    Raises:
        ConfigError: a side is shorter than `smallest`.
    """
    height, width, _ = input_shape
    if min(height, width) < smallest:
        raise ConfigError(
            f"model.name={name} needs images of at least {smallest} pixels a side, got {height}×{width}; "
            f"data.image_size={smallest} enlarges them"
        )


def initialise(module: nn.Module) -> None:
    """Keras's defaults for dense and convolution layers: Glorot uniform kernels, zero biases.

    Source: Glorot & Bengio 2010, eq. 16; `keras.layers.Dense(kernel_initializer="glorot_uniform")`.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
