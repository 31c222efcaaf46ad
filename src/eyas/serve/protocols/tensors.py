"""Tensors of the Open Inference Protocol as bytes, and back.

Binary data is little-endian, row-major and without padding; an element of BYTES is its length in four bytes, then its
content: https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_binary_data.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import InputError
from eyas.image import ImagePolicy
from eyas.serve.reading.faults import Place
from eyas.serve.reading.lists import read_lists
from eyas.serve.reading.pixels import scaled

IMAGES = "images"
DTYPES: dict[str, np.dtype[Any]] = {"UINT8": np.dtype(np.uint8), "FP32": np.dtype("<f4")}
"""What `images` may be sent as: bytes, or shares of white in [0, 1]."""
TOPS = {"UINT8": 255, "FP32": 1}
FOR_BYTES = "send the datatype UINT8 for bytes"


def check(name: str, datatype: str, shape: Sequence[int], policy: ImagePolicy, most: int) -> None:
    """Is this the tensor that the model takes?

    Args:
        name, datatype, shape: as the request has them.
        most: images, at most.

    Raises:
        InputError: another name, datatype or shape.
    """
    if name != IMAGES:
        raise InputError(f"the input tensor must be named {IMAGES}, got {name[:40]!r}")
    if datatype not in DTYPES:
        raise InputError(f"the datatype of {IMAGES} must be {' or '.join(DTYPES)}, got {datatype[:40]!r}")
    if len(shape) != 4 or tuple(shape[1:]) != policy.shape:
        sizes = ", ".join(map(str, policy.shape))
        raise InputError(f"the shape of {IMAGES} must be [N, {sizes}], got {list(shape[:8])}")
    if not 1 <= shape[0] <= most:
        raise InputError(f"{IMAGES} must hold 1 to {most} images, got {shape[0]} in its shape")


def from_binary(content: memoryview, datatype: str, shape: Sequence[int]) -> NDArray[np.uint8]:
    """The images in binary data; UINT8 is not copied.

    Args:
        content: of this tensor alone.
        datatype, shape: checked.

    Returns:
        (N, H, W, C) uint8.

    Raises:
        InputError: `content` has another size, or a value is outside [0, 1].
    """
    dtype = DTYPES[datatype]
    expected = prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise InputError(
            f"the binary data of {IMAGES} must be {expected} bytes for {datatype} {list(shape)}, got {len(content)}"
        )
    values: NDArray[Any] = np.frombuffer(content, dtype).reshape(shape)
    return values if datatype == "UINT8" else _from_floats(values)


def from_json(text: bytes, datatype: str, shape: Sequence[int], pointer: str, policy: ImagePolicy) -> NDArray[np.uint8]:
    """The images in JSON, in one flat list or in lists nested as the shape says.

    Args:
        text: JSON of the tensor's `data`.
        datatype, shape: checked.
        pointer: where it stands.

    Returns:
        (N, H, W, C) uint8.

    Raises:
        InputError: no such list, another number of values, or a value that the datatype does not have.
    """
    top = TOPS[datatype]
    values = read_lists(text, top, Place(pointer, FOR_BYTES))
    if values.shape != tuple(shape) and values.shape != (prod(shape),):
        raise InputError(
            f"{pointer} must hold {prod(shape)} values, flat or nested as {list(shape)}, got the shape "
            f"{list(values.shape)}",
            pointer,
        )
    if top == 1:
        return scaled(values.reshape(shape), top, policy)
    whole = values.astype(np.uint8)
    if (whole != values).any():
        first = np.unravel_index(int(np.argmax(whole != values)), values.shape)
        at = "/".join((pointer, *map(str, first)))
        raise InputError(f"{at} must be a whole number for UINT8, got {values[first]:g}", at)
    return whole.reshape(shape)


def to_binary(values: NDArray[Any]) -> bytes:
    """An output as binary data; an array of `object` holds the elements of BYTES."""
    if values.dtype != object:
        return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    return b"".join(struct.pack("<I", len(one)) + one for one in values.ravel())


def classify(scores: NDArray[np.float32], count: int, classes: Sequence[str]) -> NDArray[np.object_]:
    """The highest scores with their classes, as Triton's classification extension writes them.

    https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_classification.html

    Args:
        scores: (N, K) float32.
        count: classes an image; K at most are given.
        classes: K labels.

    Returns:
        (N, min(count, K)) of bytes `score:index:label`, the highest first.
    """
    best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    rows = [[_entry(row[k], int(k), classes) for k in indices] for row, indices in zip(scores, best, strict=True)]
    return _objects(rows, best.shape)


def _from_floats(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    bad = ~((values >= 0) & (values <= 1))  # NaN too
    if bad.any():
        first = np.unravel_index(int(np.argmax(bad)), values.shape)
        where = ", ".join(map(str, first))
        raise InputError(f"{IMAGES}[{where}] must be in [0, 1] for FP32, got {values[first]:g}; {FOR_BYTES}")
    whole: NDArray[np.uint8] = np.rint(values * np.float32(255)).astype(np.uint8)
    return whole


def _entry(score: np.float32, index: int, classes: Sequence[str]) -> bytes:
    return f"{score:.6f}:{index}:{classes[index]}".encode()


def _objects(rows: Iterable[Iterable[bytes]], shape: tuple[int, ...]) -> NDArray[np.object_]:
    values = np.empty(shape, object)
    for index, row in enumerate(rows):
        values[index] = list(row)
    return values
