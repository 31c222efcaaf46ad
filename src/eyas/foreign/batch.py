"""A graph for a fixed number of images, as one for any number."""

from __future__ import annotations

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, numpy_helper

from eyas.export.layers import read_by
from eyas.foreign.constants import constant_of, constants
from eyas.foreign.entry import Entry

BATCH = "batch"


def free_batch(model: ModelProto, entry: Entry) -> None:
    """Take the fixed number out of the input and of the shapes that `Reshape` is given.

    Whether that was all is for the proof to show: a graph may hold the number in other places.
    """
    graph = model.graph
    del graph.value_info[:]
    given = next(one for one in graph.input if one.name == entry.name)
    sizes = (entry.channels, entry.height, entry.width) if entry.layout == "nchw" else entry.shape
    shape = given.type.tensor_type.shape
    del shape.dim[:]
    shape.dim.add().dim_param = BATCH
    for size in sizes:
        shape.dim.add().dim_value = size
    if entry.batch is None:
        return
    known = constants(graph)
    for node in _after(graph, entry.name):
        _free(node, graph, known, entry.batch)


def _after(graph: GraphProto, name: str) -> list[NodeProto]:
    """The reshapes of what depends on the images."""
    reached, found = {name}, []
    for node in graph.node:
        if reached.intersection(read_by(node)):
            reached.update(node.output)
            if node.op_type == "Reshape" and node.input[0] in reached:
                found.append(node)
    return found


def _free(node: NodeProto, graph: GraphProto, known: dict[str, np.ndarray], batch: int) -> None:
    """Have the reshape keep its first axis where it is given the fixed number; 0 means "as it is"."""
    shape = constant_of(known, node.input[1])
    keeps_zeros = any(one.name == "allowzero" and one.i for one in node.attribute)
    if shape is None or not shape.size or shape.flat[0] != batch or (keeps_zeros and 0 in shape):
        return
    changed = shape.copy()
    changed.flat[0] = 0
    for one in node.attribute:
        if one.name == "allowzero":
            one.i = 0
    name = f"{node.output[0]}_any_batch"
    graph.initializer.append(numpy_helper.from_array(changed, name))
    node.input[1] = name
