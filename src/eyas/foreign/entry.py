"""The graph's input: where pixels go in, and in what form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, ValueInfoProto

from eyas.core.errors import BundleError, ConfigError
from eyas.foreign.preprocessing import Layout, Stated

DTYPES: dict[int, np.dtype[Any]] = {
    int(TensorProto.FLOAT): np.dtype(np.float32),
    int(TensorProto.FLOAT16): np.dtype(np.float16),
    int(TensorProto.DOUBLE): np.dtype(np.float64),
    int(TensorProto.UINT8): np.dtype(np.uint8),
}
Dim = int | None


@dataclass(frozen=True)
class Entry:
    """One input of rank 4."""

    name: str
    dtype: np.dtype[Any]
    layout: Layout
    height: int
    width: int
    channels: Literal[1, 3]
    batch: Dim = None
    """Where it is fixed."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return self.height, self.width, self.channels

    def arrange(self, pixels: NDArray[np.float32]) -> NDArray[np.generic]:
        """(N, H, W, C) float32 → as the graph takes them."""
        laid = pixels.transpose(0, 3, 1, 2) if self.layout == "nchw" else pixels
        return np.ascontiguousarray(laid, dtype=self.dtype)

    def in_words(self) -> str:
        """A sentence without its full stop."""
        batch = "any number of images" if self.batch is None else f"{self.batch} at a time as it came"
        channels = "1 channel" if self.channels == 1 else "3 channels"
        return (
            f"Input {self.name}: {self.layout.upper()}, {self.height}×{self.width}, {channels}, {self.dtype}, {batch}"
        )


def find_entry(model: ModelProto, stated: Stated) -> Entry:
    """The model's input, its open sizes as stated.

    Raises:
        BundleError: not one input, or one that does not take images.
        ConfigError: a size that is neither in the graph nor stated, or differs from the graph's.
    """
    one = _only_input(model)
    tensor = one.type.tensor_type
    if tensor.elem_type not in DTYPES:
        kind = TensorProto.DataType.Name(tensor.elem_type)
        raise BundleError(f"the input {one.name} must be float, float16, double or uint8, got {kind}")
    dims: list[Dim] = [dim.dim_value or None for dim in tensor.shape.dim] if tensor.HasField("shape") else [None] * 4
    if len(dims) != 4:
        raise BundleError(
            f"the input {one.name} must have 4 axes, of images with height, width and channels; got {len(dims)}: "
            f"{_shown(dims)}"
        )
    layout = _layout(one.name, dims, stated)
    batch, *rest = dims
    channels, height, width = rest if layout == "nchw" else (rest[2], rest[0], rest[1])
    sides = stated.size or (None, None)
    found = _agreed(one.name, "channels", channels, stated.channels)
    if found not in (1, 3):
        raise BundleError(f"the input {one.name} must have 1 or 3 channels, got {found}")
    return Entry(
        one.name,
        DTYPES[tensor.elem_type],
        layout,
        _agreed(one.name, "height", height, sides[0]),
        _agreed(one.name, "width", width, sides[1]),
        3 if found == 3 else 1,
        batch,
    )


def _only_input(model: ModelProto) -> ValueInfoProto:
    weights = {one.name for one in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in weights]
    if len(inputs) != 1 or not inputs[0].type.HasField("tensor_type"):
        names = ", ".join(one.name for one in inputs)
        raise BundleError(f"the model must take one input, the images; it takes {names or 'none'}")
    found: ValueInfoProto = inputs[0]
    return found


def _layout(name: str, dims: list[Dim], stated: Stated) -> Layout:
    first, last = (dims[axis] in (1, 3) for axis in (1, 3))
    if stated.layout:
        return stated.layout
    if first != last:
        return "nchw" if first else "nhwc"
    if dims[1] and dims[3] and not first:
        raise BundleError(f"the input {name} must have 1 or 3 channels at axis 1 or 3, got {_shown(dims)}")
    raise ConfigError(f"the input {name} is {_shown(dims)}, which may be either; state --layout nchw or nhwc")


def _agreed(name: str, what: str, found: Dim, stated: Dim) -> int:
    option = "--channels" if what == "channels" else "--size"
    if found and stated and found != stated:
        raise ConfigError(f"{option} must be what the graph has, {what} {found} of {name}, got {stated}")
    known = found or stated
    if known is None:
        raise ConfigError(f"the graph leaves the {what} of {name} open; state it with {option}")
    return known


def _shown(dims: list[Dim]) -> str:
    return " × ".join("?" if dim is None else str(dim) for dim in dims)
