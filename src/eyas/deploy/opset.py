"""Which operators an ONNX file is written in, read without the library that serving does without.

A protobuf message is a row of fields: a key (number · 8 + kind), then a varint (kind 0), eight bytes (1), a length and
so many bytes (2), or four bytes (5). https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from eyas.core.errors import BundleError

# Fields of onnx.proto's ModelProto and OperatorSetIdProto.
OPSET_IMPORT, DOMAIN, VERSION = 8, 1, 2
STANDARD = (b"", b"ai.onnx")
LENGTHS = {1: 8, 5: 4}
VARINT, BYTES = 0, 2


def opset_of(model: Path) -> int:
    """The version of ONNX's own operators; 0 where the file names none.

    Raises:
        BundleError: it is no protobuf message.
    """
    with model.open("rb") as file:
        try:
            sets = [content for _, content in _fields(file, OPSET_IMPORT) if isinstance(content, bytes)]
            found = [dict(_fields(BytesIO(content))) for content in sets]
        except EOFError:
            raise BundleError(f"{model} must be an ONNX file, but is no protobuf message") from None
    versions = [entry.get(VERSION, 0) for entry in found if entry.get(DOMAIN, b"") in STANDARD]
    return max((version for version in versions if isinstance(version, int)), default=0)


def _fields(file: BinaryIO, only: int | None = None) -> Iterator[tuple[int, int | bytes | None]]:
    """Number and value of each field, or of those of one number: the others are stepped over, not read."""
    while (key := _varint(file, end=True)) is not None:
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value: int | bytes | None = _varint(file)
        elif kind == BYTES or kind in LENGTHS:
            length = LENGTHS.get(kind) or _varint(file) or 0
            wanted = only in (None, number)
            value = _exactly(file, length) if wanted else None
            if not wanted:
                file.seek(length, 1)
        else:
            raise EOFError
        if only in (None, number):
            yield number, value


def _varint(file: BinaryIO, *, end: bool = False) -> int | None:
    """Seven bits a byte, the lowest first. `end`: None where nothing is left."""
    value = shift = 0
    while True:
        byte = file.read(1)
        if not byte and end and shift == 0:
            return None
        (bits,) = _checked(byte, 1)
        value |= (bits & 0x7F) << shift
        if bits < 0x80:
            return value
        shift += 7


def _exactly(file: BinaryIO, length: int) -> bytes:
    return _checked(file.read(length), length)


def _checked(content: bytes, length: int) -> bytes:
    if len(content) < length:
        raise EOFError
    return content
