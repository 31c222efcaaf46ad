"""Nested JSON lists of numbers → one array, in memory that stays a small multiple of the text.

Decoding to Python lists first would cost 16 to 40 times the text, so the text is taken apart instead: its brackets
and commas say the shape, and what is left once the brackets are blanked is one flat list, decoded piece by piece.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import InputError
from eyas.serve.reading.faults import DATA, Place, find_fault, kind, out_of_range

MAX_DEPTH = 4
WHITE = 255
PIECE = 1 << 18  # bytes of text whose numbers are Python objects at one time


@dataclass(frozen=True)
class _Numbers:
    """How a flat list of one kind of number becomes an array: by way of bytes, in a third of NumPy's own time."""

    decoder: msgspec.json.Decoder[list[Any]]
    """Strict: no booleans, strings or null."""
    pack: Callable[[list[Any]], bytes]
    """Raises ValueError where a number does not fit."""
    dtype: type[np.generic]


_FLOATS = _Numbers(msgspec.json.Decoder(list[float]), lambda piece: struct.pack(f"{len(piece)}d", *piece), np.float64)
_BYTES = _Numbers(msgspec.json.Decoder(list[int]), bytes, np.uint8)
_NO_BRACKETS = bytes.maketrans(b"[]", b"  ")
_ALL_BUT_BRACKETS_AND_COMMAS = bytes(set(range(256)) - set(b"[],"))


def read_lists(data: bytes, top: int, place: Place = DATA) -> NDArray[Any]:
    """`data` as an array of its own depth: of bytes, where `top` is 255 and all numbers are whole.

    Args:
        data: valid JSON.
        top: every number must lie in [0, top].
        place: of `data`, for errors.

    Raises:
        InputError: no list, nested too deep, ragged, empty, or a value that is no number or out of range.
    """
    at = place.pointer
    if not data.lstrip().startswith(b"["):
        raise InputError(f"{at} must be a list of numbers, got {kind(data)}", at)
    skeleton = data.translate(None, _ALL_BUT_BRACKETS_AND_COMMAS)
    depth = len(skeleton) - len(skeleton.lstrip(b"["))
    if depth > MAX_DEPTH:
        raise InputError(f"{at} must be nested at most {MAX_DEPTH} lists deep, got {depth}", at)
    shape = _shape(skeleton, depth)
    if not shape:
        raise find_fault(data, depth, top, place)
    text, count = data.translate(_NO_BRACKETS), math.prod(shape)
    if top == WHITE and (whole := _numbers(text, count, _BYTES)) is not None:
        return whole.reshape(shape)
    values = _numbers(text, count, _FLOATS)
    if values is None:
        raise find_fault(data, depth, top, place)
    if values.min() < 0 or values.max() > top:
        first = int(np.argmax((values < 0) | (values > top)))
        path = map(str, np.unravel_index(first, shape))
        raise out_of_range("/".join((at, *path)), float(values[first]), top, place)
    return values.reshape(shape)


def _shape(skeleton: bytes, depth: int) -> tuple[int, ...]:
    """The shape that the brackets and commas alone tell, such as `[[,],[,],[,]]` for (3, 2); () where they are ragged.

    The first list at each level, from the innermost outwards, says how long all of that level must be; the array
    is regular where repeating them gives the whole skeleton again.
    """
    lengths: list[int] = []
    block = b""
    for level in range(depth):
        start = depth - level  # just inside the first list of this level
        end = skeleton.find(b"]" * (level + 1)) + level  # just before its closing bracket
        lengths.append((end - start + 1) // (len(block) + 1) if block else end - start + 1)
        block = b"[" + (block + b",") * (lengths[-1] - 1) + block + b"]"
    return tuple(reversed(lengths)) if block == skeleton else ()


def _numbers(text: bytes, count: int, numbers: _Numbers) -> NDArray[Any] | None:
    """(count,) from numbers parted by commas; None where one of them is no such number, or missing."""
    values = np.empty(count, numbers.dtype)
    filled = start = 0
    while start < len(text):
        end = text.find(b",", start + PIECE)
        end = len(text) if end < 0 else end
        try:
            piece = numbers.decoder.decode(b"[" + text[start:end] + b"]")
            packed = np.frombuffer(numbers.pack(piece), numbers.dtype)
        except (msgspec.DecodeError, ValueError):
            return None
        if filled + len(piece) > count:
            return None
        values[filled : filled + len(piece)] = packed
        filled, start = filled + len(piece), end + 1
    return values if filled == count else None
