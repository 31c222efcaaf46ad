"""Keras's layers as torch's own, wherever the two compute the same.

Keras's layers on torch are right but slow: batch norm from single operations, dropout by torch's mask, and calls that
cost a tenth of a millisecond each. Images stay (N, H, W, C) between layers, as Keras has them; a layer that torch wants
as (N, C, H, W) gets a view, whose memory is channels-last and is never copied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, pad
from torch.nn.modules.batchnorm import _BatchNorm

from eyas.nn.dropout import Dropout
from eyas.nn.from_keras.library import keras_on_torch
from eyas.nn.from_keras.normalization import normalization

Rules = list[tuple[str, Callable[[Tensor], Tensor]]]
"""Names of parameters, and what regularises each."""


class Translated(nn.Module):
    """A torch module, and Keras's activation after it.

    Args:
        inner: the layer.
        activation: Keras's function, on torch's tensors.
        rules: regularisers, by the name of a parameter of `inner`.
        images: whether `inner` takes (N, C, H, W).
    """

    def __init__(
        self, inner: nn.Module, activation: Callable[[Tensor], Tensor] | None, rules: Rules, *, images: bool
    ) -> None:
        super().__init__()
        self.inner, self.activation, self.rules, self.images = inner, activation, rules, images

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C), or (N, …, D)."""
        y = self.inner(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1) if self.images else self.inner(x)
        return y if self.activation is None else self.activation(y)

    def penalty(self) -> list[Tensor]:
        """What each regulariser adds to the loss."""
        return [rule(self.inner.get_parameter(name)) for name, rule in self.rules]


class BatchNorm(_BatchNorm):
    """Batch norm over the last axis by Keras's formula: the moving variance takes in Σ(x - mean)² / n.

    torch takes in Σ(x - mean)² / (n - 1).

    Args:
        momentum: the share of the moving statistics that is kept.
        frozen: they and the batch's own play no part in training; Keras's `trainable=False`.
    """

    def __init__(self, channels: int, eps: float, momentum: float, *, frozen: bool) -> None:
        super().__init__(channels, eps, 1 - momentum, affine=False)
        self.frozen = frozen

    def forward(self, x: Tensor, training: bool) -> Tensor:  # type: ignore[override]
        """(N, …, C) → the same."""
        planes = x.movedim(-1, 1)
        if not training or self.frozen:
            y = batch_norm(planes, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
            return y.movedim(1, -1)
        assert self.running_mean is not None
        assert self.running_var is not None
        mean, variance = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_var)
        y = batch_norm(planes, mean, variance, self.weight, self.bias, training=True, momentum=1.0, eps=self.eps)
        count = x.numel() // x.shape[-1]
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum or 0.0)
            self.running_var.lerp_(variance * ((count - 1) / count), self.momentum or 0.0)
        return y.movedim(1, -1)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        pass


class Dropped(nn.Module):
    """eyas's dropout, told whether it is training."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.dropout = Dropout(rate)

    def forward(self, x: Tensor, training: bool) -> Tensor:
        """The same shape."""
        dropped: Tensor = self.dropout(x) if training else x
        return dropped


class SamePadding(nn.Module):
    """Zeros around (N, C, H, W) so that a stride s gives ceil(side / s); the odd one comes last, as in TensorFlow."""

    def __init__(self, kernel: tuple[int, int], strides: tuple[int, int], dilation: tuple[int, int]) -> None:
        super().__init__()
        self.kernel, self.strides, self.dilation = kernel, strides, dilation

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H + h, W + w)."""
        (top, bottom), (left, right) = (self._around(axis, int(x.shape[2 + axis])) for axis in (0, 1))
        return pad(x, (left, right, top, bottom))

    def _around(self, axis: int, side: int) -> tuple[int, int]:
        stride = self.strides[axis]
        reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1
        zeros = max((-(-side // stride) - 1) * stride + reach - side, 0)
        return zeros // 2, zeros - zeros // 2


class Flat(nn.Module):
    """(N, H, W, C) → (N, H · W · C), C the fastest."""

    def forward(self, x: Tensor) -> Tensor:
        """All but the first axis in one."""
        return x.reshape(x.shape[0], -1)


class Averaged(nn.Module):
    """(N, H, W, C) → (N, C), the mean over all positions."""

    def forward(self, x: Tensor) -> Tensor:
        """The mean."""
        return x.mean((1, 2))


class Activated(nn.Module):
    """An activation alone."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return self.function(x)


def translate(layer: Any) -> nn.Module | None:
    """What computes the same as this built Keras layer, with its weights; None where Keras's own must do it."""
    known = _translations().get(type(layer))
    return known(layer) if known and _is_plain(layer) else None


def _translations() -> dict[type, Callable[[Any], nn.Module | None]]:
    layers = keras_on_torch().layers
    return {
        layers.Dense: _dense,
        layers.Conv2D: _conv,
        layers.DepthwiseConv2D: _depthwise,
        layers.SeparableConv2D: _separable,
        layers.BatchNormalization: _batch_norm,
        layers.Normalization: normalization,
        layers.Dropout: _dropout,
        layers.MaxPooling2D: lambda layer: _pool(layer, nn.MaxPool2d),
        layers.AveragePooling2D: lambda layer: _pool(layer, nn.AvgPool2d),
        layers.GlobalAveragePooling2D: lambda layer: None if layer.keepdims else Averaged(),
        layers.Flatten: lambda layer: Flat(),
        layers.Activation: lambda layer: Activated(layer.activation),
        layers.ReLU: lambda layer: (
            nn.ReLU() if layer.max_value is None and not layer.negative_slope and not layer.threshold else None
        ),
    }


def _is_plain(layer: Any) -> bool:
    """float32, channels last, an activation without weights, and regularisers that do not mind a kernel's layout."""
    keras = keras_on_torch()
    rules = [variable.regularizer for variable in layer.trainable_variables if variable.regularizer is not None]
    return (
        layer.compute_dtype == layer.variable_dtype == "float32"
        and layer.quantization_mode is None
        and getattr(layer, "lora_rank", None) is None
        and getattr(layer, "data_format", "channels_last") != "channels_first"
        and not isinstance(getattr(layer, "activation", None), keras.layers.Layer)
        and getattr(layer, "activity_regularizer", None) is None
        and all(type(rule).__name__ in ("L1", "L2", "L1L2") for rule in rules)
    )


def _activation(layer: Any) -> Callable[[Tensor], Tensor] | None:
    function = layer.activation
    return None if function is None or function is keras_on_torch().activations.linear else function


def _fill(module: nn.Module, name: str, variable: Any, value: Tensor | None = None) -> tuple[str, Any]:
    """Give a module a Keras variable as its parameter; the name, and what regularises it while it is trained."""
    weight = (variable.value if value is None else value).detach().clone(memory_format=torch.contiguous_format)
    holder = module.get_submodule(name.rpartition(".")[0])
    holder.register_parameter(name.rpartition(".")[2], nn.Parameter(weight, requires_grad=bool(variable.trainable)))
    return name, variable.regularizer if variable.trainable else None


def _rules(*filled: tuple[str, Any]) -> Rules:
    return [(name, rule) for name, rule in filled if rule is not None]


def _dense(layer: Any) -> nn.Module:
    inputs, outputs = (int(side) for side in layer.kernel.shape)
    linear = nn.Linear(inputs, outputs, bias=layer.use_bias)
    filled = [_fill(linear, "weight", layer.kernel, layer.kernel.value.T)]
    if layer.use_bias:
        filled.append(_fill(linear, "bias", layer.bias))
    return Translated(linear, _activation(layer), _rules(*filled), images=False)


def _padded(layer: Any, conv: nn.Conv2d) -> nn.Module:
    """The convolution with Keras's padding, as `nn.Sequential(padding, convolution)`."""
    kernel, strides, dilation = tuple(layer.kernel_size), tuple(layer.strides), tuple(layer.dilation_rate)
    reaches = [(side - 1) * step for side, step in zip(kernel, dilation, strict=True)]
    if layer.padding == "valid":
        return nn.Sequential(nn.Identity(), conv)
    if strides == (1, 1) and not any(reach % 2 for reach in reaches):
        conv.padding = (reaches[0] // 2, reaches[1] // 2)
        return nn.Sequential(nn.Identity(), conv)
    return nn.Sequential(SamePadding(kernel, strides, dilation), conv)


def _conv2d(layer: Any, inputs: int, outputs: int, groups: int) -> nn.Conv2d:
    size, strides, dilation = tuple(layer.kernel_size), tuple(layer.strides), tuple(layer.dilation_rate)
    return nn.Conv2d(inputs, outputs, size, strides, dilation=dilation, groups=groups, bias=layer.use_bias)


def _conv(layer: Any) -> nn.Module:
    inputs, outputs = int(layer.kernel.shape[2]) * layer.groups, layer.filters
    padded = _padded(layer, _conv2d(layer, inputs, outputs, layer.groups))
    filled = [_fill(padded, "1.weight", layer.kernel, layer.kernel.value.permute(3, 2, 0, 1))]
    if layer.use_bias:
        filled.append(_fill(padded, "1.bias", layer.bias))
    return Translated(padded, _activation(layer), _rules(*filled), images=True)


def _per_channel(kernel: Tensor) -> Tensor:
    """(h, w, C, m) → (C · m, 1, h, w)."""
    return kernel.permute(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])


def _depthwise(layer: Any) -> nn.Module:
    channels, times = (int(side) for side in layer.kernel.shape[2:])
    padded = _padded(layer, _conv2d(layer, channels, channels * times, channels))
    filled = [_fill(padded, "1.weight", layer.kernel, _per_channel(layer.kernel.value))]
    if layer.use_bias:
        filled.append(_fill(padded, "1.bias", layer.bias))
    return Translated(padded, _activation(layer), _rules(*filled), images=True)


def _separable(layer: Any) -> nn.Module:
    channels, times = (int(side) for side in layer.depthwise_kernel.shape[2:])
    depthwise = _conv2d(layer, channels, channels * times, channels)
    depthwise.register_parameter("bias", None)
    pointwise = nn.Conv2d(channels * times, layer.filters, 1, bias=layer.use_bias)
    both = nn.Sequential(_padded(layer, depthwise), pointwise)
    filled = [
        _fill(both, "0.1.weight", layer.depthwise_kernel, _per_channel(layer.depthwise_kernel.value)),
        _fill(both, "1.weight", layer.pointwise_kernel, layer.pointwise_kernel.value.permute(3, 2, 0, 1)),
    ]
    if layer.use_bias:
        filled.append(_fill(both, "1.bias", layer.bias))
    return Translated(both, _activation(layer), _rules(*filled), images=True)


def _batch_norm(layer: Any) -> nn.Module | None:
    if layer.axis not in (-1, layer.input_spec.ndim - 1) or layer.synchronized or getattr(layer, "renorm", False):
        return None
    channels = int(layer.moving_mean.shape[0])
    norm = BatchNorm(channels, layer.epsilon, layer.momentum, frozen=not layer.trainable)
    filled = []
    if layer.scale:
        filled.append(_fill(norm, "weight", layer.gamma))
    if layer.center:
        filled.append(_fill(norm, "bias", layer.beta))
    if _rules(*filled):
        return None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(layer.moving_mean.value)
    norm.running_var.copy_(layer.moving_variance.value)
    return norm


def _dropout(layer: Any) -> nn.Module | None:
    if layer.noise_shape is not None or layer.seed is not None or layer.rate >= 1:
        return None
    return Dropped(layer.rate)


def _pool(layer: Any, kind: type[nn.MaxPool2d | nn.AvgPool2d]) -> nn.Module | None:
    if layer.padding != "valid":
        return None
    return Translated(kind(tuple(layer.pool_size), tuple(layer.strides)), None, [], images=True)
