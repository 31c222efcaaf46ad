"""The parts of a bundle's graph.

images ─ front: bytes to normalised pixels ─ body: all layers up to the features ─ tail: head, maps, probabilities
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

WITH_WEIGHTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def body(graph: GraphProto) -> list[NodeProto]:
    """The nodes from the first ones with weights to `features`, in order; none where the head sees the input itself.

    Args:
        graph: its nodes in order.
    """
    needed = leading_to(graph, ("features",))
    inside: set[str] = set()
    nodes = []
    for node in needed:
        if node.op_type in WITH_WEIGHTS or inside.intersection(node.input):
            inside.update(node.output)
            nodes.append(node)
    return nodes


def put_temperature(model: ModelProto, temperature: float) -> None:
    """Have the graph answer probabilities = softmax(logits / temperature), whatever it was traced with."""
    graph = model.graph
    outputs = [output.name for output in graph.output]
    kept = leading_to(graph, [name for name in outputs if name != "probabilities"])
    scale = numpy_helper.from_array(np.array(temperature, np.float32), "temperature")
    used = {name for node in kept for name in node.input}
    weights = [initializer for initializer in graph.initializer if initializer.name in used]
    nodes = [
        *kept,
        helper.make_node("Div", ["logits", scale.name], ["scaled"], "temperature_div"),
        helper.make_node("Softmax", ["scaled"], ["probabilities"], "softmax", axis=1),
    ]
    replace(graph, nodes, [*weights, scale])


def replace(graph: GraphProto, nodes: Iterable[NodeProto], initializers: Iterable[TensorProto]) -> None:
    """Give the graph other nodes and initialisers."""
    nodes, initializers = [*nodes], [*initializers]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(initializers)


def leading_to(graph: GraphProto, tensors: Iterable[str]) -> list[NodeProto]:
    """The nodes without which these tensors could not be computed, in order."""
    wanted, nodes = set(tensors), []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(read_by(node))
            nodes.append(node)
    return nodes[::-1]


def read_by(node: NodeProto) -> set[str]:
    """The tensors that the node takes, and those that the graphs in its branches and loops take from around it."""
    found = set(node.input)
    for attribute in node.attribute:
        for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else ())):
            made = {name for one in inner.node for name in one.output} | {one.name for one in inner.input}
            found |= {name for one in inner.node for name in read_by(one)} - made
            found |= {one.name for one in inner.output} - made
    return found
