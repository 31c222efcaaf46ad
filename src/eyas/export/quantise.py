"""A float32 graph as one that computes in int8 or fp16, with the same input and outputs.

Only the body changes (`eyas.export.layers`): it is nearly all of the work. The front and the tail stay float32, as
nothing that follows makes up for what is rounded there.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, checker
from onnx.utils import Extractor
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quant_pre_process, quantize_static
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.transformers.float16 import convert_float_to_float16

from eyas.bundle import Precision
from eyas.core.errors import BundleError
from eyas.export.layers import body, put_temperature, replace
from eyas.infer import Session
from eyas.infer.session import CHUNK, INPUT

# What ONNX Runtime computes in int8 or passes on as it is; other operators of the body stay float32.
INT8 = (
    *("Conv", "Gemm", "MatMul", "Add", "Concat", "MaxPool", "AveragePool", "GlobalAveragePool"),
    *("Relu", "Clip", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"),
)


def quantise(plain: Path, target: Path, precision: Precision, images: NDArray[np.uint8]) -> None:
    """Write the float32 graph `plain` as a graph that computes in `precision`.

    Args:
        images: (N, H, W, C) uint8, N ≥ 1, whose activations give the ranges of int8.

    Raises:
        BundleError: there is nothing to quantise.
    """
    with TemporaryDirectory(prefix="eyas-") as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)  # folds batch norm, infers shapes
        model = onnx.load(prepared)
        for number, node in enumerate(model.graph.node):
            node.name = f"node_{number}"  # by which the layers are told; not all have one
        layers = body(model.graph)
        if not layers:
            raise BundleError(f"{precision} needs a layer with weights below the head, which stays float32; got none")
        if precision == "int8":
            onnx.save(model, prepared)
            _to_int8(prepared, target, layers, images)
        else:
            _to_fp16(model, layers)
            onnx.save(model, target)


def set_temperature(model: Path, temperature: float) -> Session:
    """Have the graph answer softmax(logits / temperature), whatever it was made with, and load it."""
    loaded = onnx.load(model)
    put_temperature(loaded, temperature)
    checker.check_model(loaded)
    onnx.save(loaded, model)
    return Session(model)


class _Images(CalibrationDataReader):  # type: ignore[misc]
    """Images in batches."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._batches = (images[start : start + CHUNK] for start in range(0, len(images), CHUNK))

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def _to_int8(prepared: Path, target: Path, layers: list[NodeProto], images: NDArray[np.uint8]) -> None:
    """Weights of 7 bits by channel, activations of 8 bits by tensor, their ranges the least and greatest seen.

    With weights of 8 bits, the products of x86 processors without VNNI saturate, and the graph would answer otherwise
    there: accuracy then falls by points. With 7 the integers are exact everywhere.
    """
    quantize_static(
        prepared,
        target,
        _Images(images),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=list(INT8),
        nodes_to_quantize=[node.name for node in layers],
        extra_options={"MatMulConstBOnly": True},
    )


def _to_fp16(model: ModelProto, layers: list[NodeProto]) -> None:
    """Weights and activations of the layers as float16, cast where they meet the rest."""
    graph, names = model.graph, {node.name for node in layers}
    others = [node for node in graph.node if node.name not in names]
    inner = _body_as_model(model, layers, others)
    half = convert_float_to_float16(inner, keep_io_types=True).graph
    outside = {name for node in others for name in node.input}
    _rename_shared(half, outside)
    rest = [initializer for initializer in graph.initializer if initializer.name in outside]
    replace(graph, [*others, *half.node], [*rest, *half.initializer])
    del graph.value_info[:]
    ONNXModel(model).topological_sort()


def _body_as_model(model: ModelProto, layers: list[NodeProto], others: list[NodeProto]) -> ModelProto:
    """The layers alone, from what they take from the rest to what they give to it."""
    graph = model.graph
    made = {name for node in layers for name in node.output}
    weights = {initializer.name for initializer in graph.initializer}
    wanted = {name for node in others for name in node.input} | {output.name for output in graph.output}
    taken = {name for node in layers for name in node.input if name} - made - weights
    inner: ModelProto = Extractor(model).extract_model(sorted(taken), sorted(made & wanted))
    return inner


def _rename_shared(half: GraphProto, outside: set[str]) -> None:
    """Give initialisers that the rest of the graph uses too, in float32, names of their own."""
    names = {one.name: f"{one.name}_fp16" for one in half.initializer if one.name in outside}
    for initializer in half.initializer:
        initializer.name = names.get(initializer.name, initializer.name)
    for node in half.node:
        node.input[:] = [names.get(name, name) for name in node.input]
