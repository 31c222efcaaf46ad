"""An ONNX file from elsewhere, read only after what it asks for has been looked at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, checker, inliner, version_converter
from onnx.external_data_helper import load_external_data_for_model

from eyas.core.errors import BundleError, UnsafeDataError
from eyas.foreign.formats import MAX_BYTES

STANDARD = ("", "ai.onnx")
DOMAINS = (*STANDARD, "ai.onnx.ml", "com.microsoft")  # whose operators ONNX Runtime brings
LEAST_OPSET = 13
# What the converter, the inliner and the checker raise on what they cannot do.
ONNX_ERRORS = (RuntimeError, ValueError, TypeError, NotImplementedError, onnx.shape_inference.InferenceError)


def read_onnx(file: Path) -> ModelProto:
    """The model with all its weights, its functions written out, at opset `LEAST_OPSET` or later.

    Raises:
        BundleError: no valid ONNX model, too large, or with operators that ONNX Runtime does not bring.
        UnsafeDataError: external data outside the model's folder.
    """
    model = _parse(file)
    _check_external(model, file)
    try:
        load_external_data_for_model(model, str(file.parent))
        checker.check_model(model)
        model = inliner.inline_local_functions(model) if model.functions else model
        _check_domains(model, file)
        return _modern(model)
    except (checker.ValidationError, *ONNX_ERRORS) as error:
        raise BundleError(f"{file} is not a valid ONNX model: {error}") from error


def external_files(file: Path) -> list[Path]:
    """Those beside it with its weights, by name.

    Raises:
        BundleError: no ONNX model, or one of them is not there.
        UnsafeDataError: outside the model's folder.
    """
    return sorted(_check_external(_parse(file), file))


def opset_of(model: ModelProto) -> int:
    """Of the standard operators."""
    return max((one.version for one in model.opset_import if one.domain in STANDARD), default=0)


def all_nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """The nodes, and those in branches and loops."""
    for node in graph.node:
        yield node
        for inner in _graphs(node):
            yield from all_nodes(inner)


def _parse(file: Path) -> ModelProto:
    try:
        model = onnx.load(file, load_external_data=False)
    except DecodeError as error:
        raise BundleError(f"{file} is not an ONNX file: {error}") from error
    if not model.graph.node:
        raise BundleError(f"{file} is not an ONNX file, or one without any operator")
    return model


def _graphs(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    yield from _tensors_of(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from _tensors_at(node)


def _tensors_of(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _tensors_at(node)


def _tensors_at(node: NodeProto) -> Iterator[TensorProto]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
    for inner in _graphs(node):
        yield from _tensors_of(inner)


def _check_external(model: ModelProto, file: Path) -> set[Path]:
    """The files with its weights. Refused are those outside the model's folder, and more than a bundle can hold."""
    folder, total, found = file.parent.resolve(), file.stat().st_size, set()
    for tensor in _tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        named = PurePosixPath(location.replace("\\", "/"))
        target = (folder / location).resolve()
        if named.is_absolute() or ".." in named.parts or not target.is_relative_to(folder):
            raise UnsafeDataError(
                f"{file} must keep its external data in its own folder, got {location!r} for {tensor.name}"
            )
        if not target.is_file():
            raise BundleError(f"{file} needs {target}, which is not there: external data lie beside the model")
        total += _length(entries, target.stat().st_size, file)
        if total > MAX_BYTES:
            raise BundleError(f"{file} must have at most {MAX_BYTES:,} bytes with its external data, got more")
        found.add(target)
    return found


def _length(entries: dict[str, str], size: int, file: Path) -> int:
    try:
        offset = int(entries.get("offset", "0"))
        length = int(entries["length"]) if "length" in entries else size - offset
    except ValueError as error:
        raise BundleError(f"{file} must say where its external data lie in numbers: {error}") from error
    if offset < 0 or length < 0 or offset + length > size:
        raise BundleError(f"{file} must name a part of its external data, got {length} bytes at {offset} of {size}")
    return length


def _check_domains(model: ModelProto, file: Path) -> None:
    for node in all_nodes(model.graph):
        if node.domain not in DOMAINS:
            raise BundleError(
                f"{file} may use the operators of {', '.join(DOMAINS[1:])}, which ONNX Runtime brings; got "
                f"{node.domain}::{node.op_type}, which needs a library of its own"
            )


def _modern(model: ModelProto) -> ModelProto:
    found = opset_of(model)
    if found >= LEAST_OPSET:
        return model
    try:
        converted: ModelProto = version_converter.convert_version(model, LEAST_OPSET)
        checker.check_model(converted)
    except (checker.ValidationError, *ONNX_ERRORS) as error:
        raise BundleError(
            f"the model's opset must be {LEAST_OPSET} or later, got {found}, and it cannot be converted ({error}); "
            f"export it anew with opset {LEAST_OPSET} or later"
        ) from error
    return converted
