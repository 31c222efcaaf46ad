"""The bundle's graph: bytes in, the foreign graph in the middle, the bundle's outputs out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, compose, helper, numpy_helper

from eyas.core.errors import BundleError
from eyas.export.layers import leading_to, read_by
from eyas.foreign.batch import BATCH
from eyas.foreign.entry import Entry
from eyas.foreign.head import Head, Maps
from eyas.foreign.onnx_file import DOMAINS, ONNX_ERRORS
from eyas.foreign.preprocessing import Reading
from eyas.infer.session import CAM, INPUT, OUTPUTS

INSIDE = "model/"  # before every name of the foreign graph, so that none is one of ours
ONE = "one/"  # and before those of the graph for one image in a loop
TEMPERATURE = "temperature"
LEAST_IR = 7  # before 4, weights had to be inputs too; 7 is that of opset 12
TINY = float(np.finfo(np.float32).tiny)  # no probability is less, so that its logarithm is finite


@dataclass(frozen=True)
class Plan:
    """What is to be put round the foreign graph."""

    entry: Entry
    reading: Reading
    size: tuple[int, int]
    """Height, width of the bundle's images."""
    begin: tuple[int, int]
    """Where the centre begins that the foreign graph sees."""
    head: Head
    order: NDArray[np.int64] | None
    """(K,) which of the graph's outputs is each class; None where it is their order."""
    classes: int
    looped: bool = False
    """Whether the foreign graph takes one image, and is run on each in turn."""


class _Parts:
    """Nodes and numbers in the making."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.numbers: list[TensorProto] = []

    def number(self, name: str, value: NDArray[np.generic]) -> str:
        """Keep a constant; its name."""
        self.numbers.append(numpy_helper.from_array(value, name))
        return name

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node; its output."""
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output


def assemble(model: ModelProto, plan: Plan) -> ModelProto:
    """The whole graph, at temperature 1.

    Args:
        model: the foreign one, for any number of images.

    Raises:
        BundleError: the parts do not make a valid graph.
    """
    front, tail = _front(plan), _tail(plan)
    wanted = sorted({name for node in tail.nodes for name in node.input if name.startswith(INSIDE)})
    middle = _loop(model, plan, wanted) if plan.looped else _cut(compose.add_prefix(model, INSIDE).graph, wanted)
    images = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [BATCH, *plan.size, plan.entry.channels])
    made = helper.make_graph(
        [*front.nodes, *middle.node, *tail.nodes],
        "eyas",
        [images],
        _outputs(plan),
        [*front.numbers, *middle.initializer, *tail.numbers],
        sparse_initializer=middle.sparse_initializer,
    )
    known = [one for one in model.opset_import if one.domain in DOMAINS]
    whole = helper.make_model(made, opset_imports=known, producer_name="eyas")
    whole.ir_version = max(model.ir_version, LEAST_IR)
    try:
        checker.check_model(whole)
    except (checker.ValidationError, *ONNX_ERRORS) as error:
        raise BundleError(f"the imported graph cannot be made a bundle's: {error}") from error
    return whole


def output_names(plan: Plan) -> tuple[str, ...]:
    """Of the graph, in order."""
    return (*OUTPUTS, CAM) if plan.head.maps else OUTPUTS


def set_temperature(model: ModelProto, temperature: float) -> None:
    """Have the graph answer softmax(logits / temperature)."""
    (number,) = (one for one in model.graph.initializer if one.name == TEMPERATURE)
    number.CopyFrom(numpy_helper.from_array(np.array(temperature, np.float32), TEMPERATURE))


def without_maps(plan: Plan) -> Plan:
    """The same without class activation maps."""
    return replace(plan, head=replace(plan.head, maps=None))


def _cut(graph: GraphProto, wanted: Iterable[str]) -> GraphProto:
    """The part of the graph that gives the wanted tensors, with no inputs or outputs of its own."""
    nodes = leading_to(graph, wanted)
    used = {name for node in nodes for name in read_by(node)}
    weights = [one for one in graph.initializer if one.name in used]
    sparse = [one for one in graph.sparse_initializer if one.values.name in used]
    return helper.make_graph(nodes, "model", [], [], weights, sparse_initializer=sparse)


def _loop(model: ModelProto, plan: Plan, wanted: Sequence[str]) -> GraphProto:
    """The graph for one image, on each in turn (`Scan`): what it gives are rows of the wanted tensors."""
    parts, entry = _Parts(), plan.entry
    body = _cut(compose.add_prefix(model, ONE + INSIDE).graph, [ONE + name for name in wanted])
    sides = entry.shape if entry.layout == "nhwc" else (entry.channels, entry.height, entry.width)
    first = parts.number(f"{ONE}first_axis", np.array([0], np.int64))
    parts.add("Unsqueeze", [f"{ONE}image", first], f"{ONE}{INSIDE}{entry.name}")
    parts.nodes += body.node
    rows = []
    for name in wanted:
        row = parts.add("Cast", [ONE + name], f"{ONE}{name}/float", to=TensorProto.FLOAT)
        rows.append(parts.add("Squeeze", [row, first], f"{ONE}{name}/row"))
    kind = helper.np_dtype_to_tensor_dtype(entry.dtype)
    inner = helper.make_graph(
        parts.nodes,
        "one image",
        [helper.make_tensor_value_info(f"{ONE}image", kind, sides)],
        [helper.make_tensor_value_info(row, TensorProto.FLOAT, None) for row in rows],
        [*parts.numbers, *body.initializer],
        sparse_initializer=body.sparse_initializer,
    )
    scan = helper.make_node("Scan", [INSIDE + entry.name], list(wanted), "each_image", body=inner, num_scan_inputs=1)
    return helper.make_graph([scan], "model", [], [])


def _front(plan: Plan) -> _Parts:
    """(N, H, W, C) uint8 → what the foreign graph takes."""
    parts, entry, reading = _Parts(), plan.entry, plan.reading
    pixels = _cut_out(parts, plan, INPUT) if plan.size != plan.entry.shape[:2] else INPUT
    if reading.bgr:
        turned = parts.number("turned", np.array([2, 1, 0], np.int64))
        pixels = parts.add("Gather", [pixels, turned], "blue_first", axis=3)
    pixels = parts.add("Cast", [pixels], "pixels", to=TensorProto.FLOAT)
    if (reading.scale != 1).any() or reading.shift.any():
        pixels = parts.add("Mul", [pixels, parts.number("scale", _ordered(reading.scale, reading))], "scaled_pixels")
        pixels = parts.add("Sub", [pixels, parts.number("shift", _ordered(reading.shift, reading))], "normalised")
    if entry.layout == "nchw":
        pixels = parts.add("Transpose", [pixels], "channels_first", perm=[0, 3, 1, 2])
    parts.add("Cast", [pixels], INSIDE + entry.name, to=helper.np_dtype_to_tensor_dtype(entry.dtype))
    return parts


def _ordered(values: NDArray[np.float32], reading: Reading) -> NDArray[np.float32]:
    """By channel, as the channels lie by now."""
    return values[::-1].copy() if reading.bgr else values


def _cut_out(parts: _Parts, plan: Plan, pixels: str) -> str:
    begin = np.array(plan.begin, np.int64)
    end = begin + plan.entry.shape[:2]
    bounds = [parts.number(name, value) for name, value in (("begin", begin), ("end", end))]
    return parts.add("Slice", [pixels, *bounds, parts.number("sides", np.array([1, 2], np.int64))], "centre")


def _tail(plan: Plan) -> _Parts:
    """The foreign graph's end → the bundle's outputs."""
    parts, head = _Parts(), plan.head
    raw = parts.add("Cast", [INSIDE + head.logits], "raw", to=TensorProto.FLOAT)
    if head.is_log:
        least = parts.number("tiny", np.array(TINY, np.float32))
        raw = parts.add("Log", [parts.add("Max", [raw, least], "positive")], "log")
    if plan.order is None:
        parts.add("Identity", [raw], "logits")
    else:
        parts.add("Gather", [raw, parts.number("order", plan.order)], "logits", axis=1)
    parts.add("Div", ["logits", parts.number(TEMPERATURE, np.array(1, np.float32))], "scaled")
    parts.add("Softmax", ["scaled"], "probabilities", axis=1)
    if head.features is None:
        parts.add("Identity", ["logits"], "features")
    else:
        parts.add("Cast", [INSIDE + head.features], "features", to=TensorProto.FLOAT)
    if head.maps:
        _class_maps(parts, head.maps, plan.order)
    return parts


def _class_maps(parts: _Parts, maps: Maps, order: NDArray[np.int64] | None) -> None:
    """cam_k = Σ_d w_kd maps_d: its mean over positions, and the bias, are the logits (Zhou et al. 2016)."""
    weights = maps.weights if order is None else maps.weights[order]
    found = parts.add("Cast", [INSIDE + maps.tensor], "maps", to=TensorProto.FLOAT)
    if maps.layout == "nhwc":
        found = parts.add("Transpose", [found], "maps_first", perm=[0, 3, 1, 2])
    parts.add("Conv", [found, parts.number("class_weights", weights[..., None, None])], CAM)


def _outputs(plan: Plan) -> list[ValueInfoProto]:
    shapes: dict[str, list[str | int]] = {name: [BATCH, plan.classes] for name in OUTPUTS}
    if plan.head.features is not None:
        shapes["features"] = [BATCH, "features_size"]
    shapes[CAM] = [BATCH, plan.classes, "map_height", "map_width"]
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in output_names(plan)]
