"""Requests and answers of the Open Inference Protocol, version 2, over HTTP.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md

body ─ JSON, all of it or as far as Inference-Header-Content-Length says ─► Asked ─ images() ─► (N, H, W, C) uint8
         └ then the tensors that are sent as binary data, one after the other
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import InputError
from eyas.image import ImagePolicy
from eyas.infer import Prediction
from eyas.infer.session import CAM, OUTPUTS
from eyas.serve.http import Answer, Problem
from eyas.serve.numbers import short
from eyas.serve.protocols import tensors
from eyas.serve.reading.json_text import decode
from eyas.serve.reading.pixels import MAX_MEMBERS

HEADER = "inference-header-content-length"
NEEDS_REVIEW, UNKNOWN = "needs_review", "unknown"
BY_CLASS = ("logits", "probabilities")
SHARED = "shared memory is not offered: send and ask for tensors in the body"


class InputParameters(msgspec.Struct):
    """Of one input tensor; others are ignored, as the protocol allows."""

    binary_data_size: int | None = None
    shared_memory_region: str | None = None


class OutputParameters(msgspec.Struct):
    """Of one requested output."""

    binary_data: bool | None = None
    classification: int | None = None
    shared_memory_region: str | None = None


class RequestParameters(msgspec.Struct):
    """Of the whole request."""

    binary_data_output: bool = False


class InputTensor(msgspec.Struct):
    """One input."""

    name: str
    shape: list[int]
    datatype: str
    parameters: InputParameters = msgspec.field(default_factory=InputParameters)
    data: msgspec.Raw = msgspec.Raw()


class RequestedOutput(msgspec.Struct):
    """One output that is wanted."""

    name: str
    parameters: OutputParameters = msgspec.field(default_factory=OutputParameters)


class InferRequest(msgspec.Struct):
    """The JSON of an inference request."""

    inputs: list[InputTensor]
    id: str | None = None
    outputs: list[RequestedOutput] = []
    parameters: RequestParameters = msgspec.field(default_factory=RequestParameters)


class OutputTensor(msgspec.Struct, omit_defaults=True):
    """One output of an answer."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    parameters: dict[str, int] | None = None
    """`binary_data_size`, where the data stands behind the JSON."""
    data: list[Any] | None = None
    """Flat, row-major; else binary."""


class InferAnswer(msgspec.Struct, omit_defaults=True):
    """The JSON of an inference answer."""

    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str | None = None
    """The request's."""


_decoder = msgspec.json.Decoder(InferRequest)


@dataclass(frozen=True)
class Wanted:
    """An output to be given."""

    name: str
    binary: bool = False
    classes: int | None = None
    """As that many `score:index:label`."""


@dataclass(frozen=True)
class Asked:
    """A request whose JSON has been read and found right; its pixels are yet to be."""

    id: str | None
    tensor: InputTensor
    binary: memoryview | None
    """The tensor's data, where it is not in the JSON."""
    wanted: tuple[Wanted, ...]

    @property
    def cam(self) -> bool:
        """Whether class activation maps are wanted."""
        return any(one.name == CAM for one in self.wanted)

    def images(self, policy: ImagePolicy) -> NDArray[np.uint8]:
        """(N, H, W, C) uint8.

        Raises:
            InputError: the pixels break their rule.
        """
        tensor = self.tensor
        if self.binary is not None:
            return tensors.from_binary(self.binary, tensor.datatype, tensor.shape)
        return tensors.from_json(bytes(tensor.data), tensor.datatype, tensor.shape, "/inputs/0/data", policy)


def parse(body: bytes, size: int, policy: ImagePolicy, outputs: Sequence[str], most: int) -> Asked:
    """Read a request, but for its pixels.

    Args:
        body: whole.
        size: of its JSON, see `json_size`.
        outputs: that the model has.
        most: images, at most.

    Raises:
        Problem: 400, the JSON is broken.
        InputError: a tensor is not what the model takes or gives.
    """
    request = _decode(body[:size])
    tensor, wanted = checked(request, policy, outputs, most)
    return Asked(request.id, tensor, _binary(tensor, memoryview(body)[size:]), wanted)


def checked(
    request: InferRequest, policy: ImagePolicy, outputs: Sequence[str], most: int
) -> tuple[InputTensor, tuple[Wanted, ...]]:
    """The tensor of a request, and the outputs to give.

    Args:
        policy, outputs, most: as of `parse`.

    Raises:
        InputError: a tensor is not what the model takes or gives.
    """
    if len(request.inputs) != 1:
        raise InputError(f"there must be one input, {tensors.IMAGES}, got {len(request.inputs)}", "/inputs")
    tensor = request.inputs[0]
    if tensor.parameters.shared_memory_region is not None:
        raise InputError(f"the input {tensor.name[:40]}: {SHARED}", "/inputs/0/parameters/shared_memory_region")
    tensors.check(tensor.name, tensor.datatype, tensor.shape, policy, most)
    return tensor, _wanted_outputs(request, outputs)


def _wanted_outputs(request: InferRequest, outputs: Sequence[str]) -> tuple[Wanted, ...]:
    """The outputs to give; where none is named, `OUTPUTS`.

    Raises:
        InputError: an output that the model does not have, or that is asked for twice.
    """
    binary = request.parameters.binary_data_output
    if not request.outputs:
        return tuple(Wanted(name, binary) for name in OUTPUTS)
    wanted: dict[str, Wanted] = {}
    for index, one in enumerate(request.outputs):
        pointer = f"/outputs/{index}"
        if one.name not in outputs:
            raise InputError(f"the outputs are {', '.join(outputs)}, got {one.name[:40]!r}", f"{pointer}/name")
        if one.name in wanted:
            raise InputError(f"the output {one.name} must be asked for once, got it twice", f"{pointer}/name")
        wanted[one.name] = _wanted(one, binary, f"{pointer}/parameters")
    return tuple(wanted.values())


def give(wanted: Wanted, prediction: Prediction, classes: Sequence[str]) -> NDArray[Any]:
    """One output: float32, bool (N, 1), or `object` for BYTES.

    The protocol has no word for what cannot be told: an image that could not be scored is said to be unknown.
    """
    if wanted.name in (NEEDS_REVIEW, UNKNOWN):
        told: NDArray[np.bool_] | None = getattr(prediction, wanted.name)
        return (np.ones(len(prediction.logits), np.bool_) if told is None else told)[:, None]
    values: NDArray[np.float32] = getattr(prediction, wanted.name)
    return values if wanted.classes is None else tensors.classify(values, wanted.classes, classes)


def datatype_of(values: NDArray[Any]) -> str:
    """The protocol's name for an output's elements."""
    return {"O": "BYTES", "b": "BOOL"}.get(values.dtype.kind, "FP32")


def answer(asked: Asked, prediction: Prediction, name: str, version: str, classes: Sequence[str]) -> Answer:
    """The answer as HTTP carries it: JSON, then the outputs that are wanted as binary data."""
    outputs, pieces = [], []
    for one in asked.wanted:
        values = give(one, prediction, classes)
        output = OutputTensor(one.name, datatype_of(values), values.shape)
        if one.binary:
            pieces.append(tensors.to_binary(values))
            output.parameters = {"binary_data_size": len(pieces[-1])}
        else:
            output.data = _listed(values)
        outputs.append(output)
    text = msgspec.json.encode(InferAnswer(name, version, outputs, asked.id))
    if not pieces:
        return Answer(text)
    headers = {"Inference-Header-Content-Length": str(len(text))}
    return Answer(b"".join((text, *pieces)), media_type="application/octet-stream", headers=headers)


def json_size(body: bytes, header: str) -> int:
    """Bytes of a request's JSON, which the header `HEADER` tells where tensors follow it.

    Raises:
        Problem: 400, the header tells no such length.
    """
    if not header:
        return len(body)
    if not (header.isascii() and header.isdigit() and len(header) < 12 and 0 < int(header) <= len(body)):
        raise Problem(
            400, f"Inference-Header-Content-Length must be 1 to the body's {len(body)} bytes, got {header[:40]}"
        )
    return int(header)


def _decode(text: bytes) -> InferRequest:
    if (colons := text.count(b":")) > MAX_MEMBERS:
        raise InputError(f"the request must be an object with numbers in lists, got {colons:,} colons")
    return decode(_decoder, text, "the request is not one of the Open Inference Protocol")


def _binary(tensor: InputTensor, rest: memoryview) -> memoryview | None:
    """The tensor's binary data; None where its data is in the JSON."""
    size, in_json = tensor.parameters.binary_data_size, memoryview(tensor.data).nbytes > 0
    if size is None:
        if not in_json:
            raise InputError(f"{tensor.name} must have data, or binary_data_size in its parameters", "/inputs/0/data")
        if rest:
            raise InputError(f"{len(rest)} bytes follow the JSON, and no input has binary_data_size")
        return None
    if in_json:
        raise InputError(f"{tensor.name} must have data or binary_data_size, got both", "/inputs/0/data")
    if size != len(rest):
        pointer = "/inputs/0/parameters/binary_data_size"
        raise InputError(
            f"binary_data_size of {tensor.name} must be the {len(rest)} bytes that follow the JSON, got {size}", pointer
        )
    return rest


def _wanted(one: RequestedOutput, binary: bool, pointer: str) -> Wanted:
    said = one.parameters
    if said.shared_memory_region is not None:
        raise InputError(f"the output {one.name}: {SHARED}", f"{pointer}/shared_memory_region")
    if said.classification is not None:
        at = f"{pointer}/classification"
        if one.name not in BY_CLASS:
            raise InputError(f"classification is for {' and '.join(BY_CLASS)}, got {one.name}", at)
        if said.classification < 1:
            raise InputError(f"classification of {one.name} must be at least 1, got {said.classification}", at)
    return Wanted(one.name, binary if said.binary_data is None else said.binary_data, said.classification)


def _listed(values: NDArray[Any]) -> list[Any]:
    if values.dtype == object:
        return [one.decode() for one in values.ravel()]
    if values.dtype == bool:
        said: list[Any] = values.ravel().tolist()
        return said
    listed: list[Any] = short(values.ravel())
    return listed
