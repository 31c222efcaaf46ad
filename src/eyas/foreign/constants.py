"""The numbers that a graph holds."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, TensorProto, helper, numpy_helper

from eyas.export.layers import leading_to, read_by

FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
BYTES = (TensorProto.INT8, TensorProto.UINT8)
Constants = dict[str, NDArray[Any]]


def constants(graph: GraphProto) -> Constants:
    """By tensor: weights, constants, and either of them passed on or transposed."""
    found: Constants = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    for node in graph.node:
        taken = [found.get(name) for name in node.input]
        attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type == "Constant" and "value" in attributes:
            found[node.output[0]] = numpy_helper.to_array(attributes["value"])
        elif node.op_type == "Constant" and len(attributes) == 1:
            ((name, value),) = attributes.items()
            if name in ("value_int", "value_ints", "value_float", "value_floats"):
                found[node.output[0]] = np.array(value, np.int64 if "int" in name else np.float32)
        elif node.op_type == "Identity" and taken[0] is not None:
            found[node.output[0]] = taken[0]
        elif node.op_type == "Transpose" and taken[0] is not None:
            found[node.output[0]] = taken[0].transpose(attributes.get("perm"))
    return found


def constant_of(known: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.int64] | None:
    """A constant of whole numbers; None where it is none."""
    value = known.get(name)
    return None if value is None else value.astype(np.int64)


def count_weights(graph: GraphProto, tensor: str) -> int:
    """How many floating numbers the graph holds to compute the tensor, and bytes in matrices and filters."""
    nodes = leading_to(graph, [tensor])
    used = {name for node in nodes for name in read_by(node)}
    kept = [one for one in graph.initializer if one.name in used]
    kept += [one.t for node in nodes if node.op_type == "Constant" for one in node.attribute if one.HasField("t")]
    return sum(prod(one.dims) for one in kept if one.data_type in FLOATS or _is_quantised(one))


def is_half(graph: GraphProto) -> bool:
    """Whether it computes with weights of 16 bits."""
    return any(value.dtype == np.float16 for value in constants(graph).values())


def _is_quantised(one: TensorProto) -> bool:
    """Weights as bytes, whose zero points have one axis at most."""
    return one.data_type in BYTES and len(one.dims) > 1
