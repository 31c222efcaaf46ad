"""Images as prediction platforms send them: a list of instances, each one image.

MLflow, SageMaker  {"instances" | "inputs" | "dataframe_split" | "dataframe_records": …, "params": {"range": 255}}, CSV
                   https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#json-input
Vertex AI          {"instances": …, "parameters": {"range": 255}}
                   https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements

An instance is one of

[0.5, …]                                flat pixels; also nested as (h, w), (h, w, 1) or (h, w, 3)
{"p0": 0.5, "p1": …}                    the same, a column a pixel
{"image": [[…]]}                        the same, under one name
"iVBOR…"                                an image file in base64
{"b64": "…"}, {"image": "…"}, {"image_bytes": {"b64": "…"}}    the same
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import InputError
from eyas.image import ImagePolicy
from eyas.serve.reading import BodyReader, Images
from eyas.serve.reading.faults import Place, kind
from eyas.serve.reading.json_text import decode
from eyas.serve.reading.lists import read_lists
from eyas.serve.reading.pixels import flat_shape, scaled
from eyas.serve.request_schemas import RANGES

T = TypeVar("T")
NO_REQUEST = "the body is not such a request"
MOST_MEMBERS = 500_000  # of all objects: each becomes an object of Python's
FORMATS = ("instances", "inputs", "dataframe_split", "dataframe_records")
NUMERIC = re.compile(rb"[\d\s.,eE+-]+")
NUMBER = re.compile(rb"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


class Parameters(msgspec.Struct, forbid_unknown_fields=True):
    """Of all instances."""

    range: float = 1
    """The value that stands for white: 1 or 255."""


class MLflowBody(msgspec.Struct, forbid_unknown_fields=True):
    """One of `FORMATS`, and parameters."""

    instances: msgspec.Raw = msgspec.Raw()
    inputs: msgspec.Raw = msgspec.Raw()
    dataframe_split: msgspec.Raw = msgspec.Raw()
    dataframe_records: msgspec.Raw = msgspec.Raw()
    params: Parameters = msgspec.field(default_factory=Parameters)


class VertexBody(msgspec.Struct, forbid_unknown_fields=True):
    """Instances and parameters."""

    instances: msgspec.Raw
    parameters: Parameters = msgspec.field(default_factory=Parameters)


class Frame(msgspec.Struct):
    """A pandas data frame, `orient="split"`: names and index change nothing."""

    data: msgspec.Raw


class Coded(msgspec.Struct, forbid_unknown_fields=True):
    """A file in base64."""

    b64: str


_mlflow, _vertex = msgspec.json.Decoder(MLflowBody), msgspec.json.Decoder(VertexBody)
_frame, _named = msgspec.json.Decoder(Frame), msgspec.json.Decoder(dict[str, msgspec.Raw])
_records = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_strings, _rows_of_strings = msgspec.json.Decoder(list[str]), msgspec.json.Decoder(list[tuple[str]])
_string, _coded = msgspec.json.Decoder(str), msgspec.json.Decoder(Coded)


@dataclass(frozen=True)
class Instances:
    """A request whose envelope has been opened."""

    text: bytes
    """JSON of the list."""
    top: int
    place: Place
    lines: tuple[bytes, ...] = ()
    """Of the CSV that it was made from."""

    @property
    def are_numbers(self) -> bool:
        """All the values are pixels: there are no files."""
        return b'"' not in self.text[:200]

    def images(self, reader: BodyReader) -> Images:
        """(N, H, W, C) uint8.

        Raises:
            InputError, UnsafeDataError: an instance is no image.
        """
        opening = self.text[:200].translate(None, b" \t\r\n")[:3]
        at = self.place.pointer
        if opening.startswith((b'["', b'[["')):  # base64 has no quotes, so they tell how many there are
            _count(self.text.count(b'"') // 2, reader, at)
        if opening.startswith(b'["'):
            texts: list[str] = _decoded(_strings, self.text, at)
            return _files(texts, at, reader)
        if opening.startswith(b'[["'):
            rows: list[tuple[str]] = _decoded(_rows_of_strings, self.text, at)
            return _files([row[0] for row in rows], at, reader)
        if opening.startswith(b"[{"):
            return self._from_records(reader)
        return self._from_numbers(self.text, reader)

    def _from_numbers(self, text: bytes, reader: BodyReader) -> Images:
        try:
            numbers = read_lists(text, self.top, self.place)
        except InputError as error:
            raise _cell_fault(self.lines, self.place.pointer) or error from None
        values = _split(numbers, reader.policy, self.place.pointer)
        _count(len(values), reader, self.place.pointer)
        return scaled(values, self.top, reader.policy)

    def _from_records(self, reader: BodyReader) -> Images:
        at = self.place.pointer
        if (members := self.text.count(b":")) > MOST_MEMBERS:
            raise InputError(f"{at} must hold at most {MOST_MEMBERS:,} named values, got {members:,}", at)
        records: list[dict[str, msgspec.Raw]] = _decoded(_records, self.text, at)
        columns = tuple(records[0])
        for index, record in enumerate(records):
            if not record or tuple(record) != columns:
                pointer = f"{at}/{index}"
                raise InputError(
                    f"{pointer} must have the columns of the first, in its order, and at least one", pointer
                )
        values = [[bytes(value) for value in record.values()] for record in records]
        first = values[0][0].lstrip()
        if len(columns) == 1 and first[:1] in (b'"', b"{"):
            return _files([_file_text(one[0], f"{at}/{n}/{columns[0]}") for n, one in enumerate(values)], at, reader)
        rows = [one[0] if len(columns) == 1 and first[:1] == b"[" else b"[" + b",".join(one) + b"]" for one in values]
        return self._from_numbers(b"[" + b",".join(rows) + b"]", reader)


def open_mlflow(body: bytes) -> Instances:
    """The instances of an MLflow request in JSON.

    Raises:
        Problem: 400, no JSON.
        InputError: not exactly one of `FORMATS`, or an unknown parameter.
    """
    request = decode(_mlflow, body, NO_REQUEST)
    found = {name: text for name in FORMATS if (text := bytes(getattr(request, name)))}
    if len(found) != 1:
        got = ", ".join(found) or "none of them"
        raise InputError(f"the body must have one of {', '.join(FORMATS)}, got {got}")
    ((name, text),) = found.items()
    pointer = f"/{name}"
    if name == "dataframe_split":
        text, pointer = bytes(_decoded(_frame, text, pointer).data), f"{pointer}/data"
    elif name == "inputs" and text.lstrip().startswith(b"{"):
        named: dict[str, msgspec.Raw] = _decoded(_named, text, pointer)
        if len(named) != 1:
            raise InputError(f"{pointer} must hold one tensor, got {len(named)}", pointer)
        ((key, value),) = named.items()
        text, pointer = bytes(value), f"{pointer}/{key[:40]}"
    return Instances(text, _top(request.params, "params"), Place(pointer, 'send "params": {"range": 255} for bytes'))


def open_vertex(body: bytes) -> Instances:
    """The instances of a Vertex AI request.

    Raises:
        Problem: 400, no JSON.
        InputError: no `instances`, or an unknown parameter.
    """
    request = decode(_vertex, body, NO_REQUEST)
    place = Place("/instances", 'send "parameters": {"range": 255} for bytes')
    return Instances(bytes(request.instances), _top(request.parameters, "parameters"), place)


def open_csv(body: bytes) -> Instances:
    """Rows of flat pixels in [0, 1], with or without a line of names above them.

    Raises:
        InputError: there are no rows.
    """
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    if lines and not NUMERIC.fullmatch(lines[0]):
        del lines[0]
    if not lines:
        raise InputError("the CSV must hold at least one row of pixels, got none")
    text = b"[[" + b"],[".join(lines) + b"]]"
    return Instances(text, 1, Place("/rows", "CSV has pixels in [0, 1]; bytes can be sent as JSON"), tuple(lines))


def decode_file(text: str, pointer: str) -> bytes:
    """A file from base64.

    Raises:
        InputError: it is not base64.
    """
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{pointer} must be an image file in base64: {error}", pointer) from None


def _cell_fault(lines: Sequence[bytes], at: str) -> InputError | None:
    """The first cell of a CSV that is no number as JSON writes them."""
    for row, line in enumerate(lines):
        for column, cell in enumerate(line.split(b",")):
            if not NUMBER.fullmatch(cell.strip()):
                pointer = f"{at}/{row}/{column}"
                return InputError(f"{pointer} must be a number, got {cell[:20].decode('utf-8', 'replace')!r}", pointer)
    return None


def _split(values: NDArray[np.float64], policy: ImagePolicy, at: str) -> NDArray[np.float64]:
    """(N, h, w, c): the first axis is always that of the instances."""
    shape = values.shape
    if values.ndim == 1:
        raise InputError(f"{at} must hold images, each a list of pixels, got numbers", at)
    if values.ndim == 2:
        return values.reshape(shape[0], *flat_shape(shape[1], policy, f"{at}/0"))
    if values.ndim == 3:
        return values[..., None]
    if shape[-1] in (1, 3):
        return values
    raise InputError(f"{at} must end in 1 or 3 channels, as (n, h, w, c), got the shape {shape}", at)


def _files(texts: Sequence[str], at: str, reader: BodyReader) -> Images:
    _count(len(texts), reader, at)
    return reader.files(((f"{at}/{n}", decode_file(text, f"{at}/{n}")) for n, text in enumerate(texts)), "request")


def _file_text(value: bytes, pointer: str) -> str:
    """Base64 from `"…"` or `{"b64": "…"}`."""
    if value.lstrip().startswith(b"{"):
        coded: Coded = _decoded(_coded, value, pointer)
        return coded.b64
    text: str = _decoded(_string, value, pointer)
    return text


def _count(images: int, reader: BodyReader, at: str) -> None:
    if images > reader.config.max_images:
        raise InputError(f"{at} must hold at most {reader.config.max_images} images, got {images}", at)


def _top(parameters: Parameters, name: str) -> int:
    if parameters.range not in RANGES:
        raise InputError(f"/{name}/range must be 1 or 255, got {parameters.range:g}", f"/{name}/range")
    return int(parameters.range)


def _decoded(decoder: msgspec.json.Decoder[T], text: bytes, pointer: str) -> T:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{pointer}: {error}; it is {kind(text)}", pointer) from None
