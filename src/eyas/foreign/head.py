"""The end of a classifier's graph: what gives probabilities, what gives logits, and what these are made from.

maps ─ average over positions ─ features ─ dense ─ logits ─ Softmax ─ probabilities
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, helper

from eyas.core.errors import BundleError
from eyas.foreign.constants import Constants, constant_of, constants
from eyas.foreign.preprocessing import Layout

PASSED = ("Identity", "Dropout", "Cast")  # what changes no number at prediction
FLATTENED = (*PASSED, "Flatten", "Reshape", "Squeeze")
SPATIAL: dict[tuple[int, ...], Layout] = {(2, 3): "nchw", (1, 2): "nhwc"}
SUM = 1e-3  # within which a row sums to 1


@dataclass(frozen=True)
class Maps:
    """What the features are the average of."""

    tensor: str
    """(N, D, h, w) or (N, h, w, D)."""
    layout: Layout
    weights: NDArray[np.float32]
    """(K, D) float32, of the dense layer."""


@dataclass(frozen=True)
class Head:
    """Where the parts are, by the names of tensors."""

    logits: str
    taken_off: str | None
    """The operator after the logits that is left out."""
    is_log: bool
    """Whether `logits` are probabilities, whose logarithm the logits are."""
    features: str | None
    """What a last dense layer takes; None where the graph does not end in one."""
    maps: Maps | None

    def in_words(self, output: str) -> list[str]:
        """Sentences without full stops."""
        ended = f"Output {output}: logits"
        if self.taken_off:
            ended = f"Output {output} ends in {self.taken_off}, which is taken off for the logits"
        if self.is_log:
            ended = f"Output {output} gives probabilities without a Softmax at its end: their logarithm is the logits"
        if self.features is None:
            return [ended, "No dense layer at the end: the features are the logits, and there are no maps"]
        return [ended, f"Features: what the last dense layer takes; {'class' if self.maps else 'no class'} maps"]


def find_head(graph: GraphProto, output: str, answers: NDArray[np.float32]) -> Head:
    """Take the end of the graph apart.

    Args:
        graph: its nodes in order.
        output: the one with the classes.
        answers: (N, K) float32, what it gives for some images.

    Raises:
        BundleError: it ends in a Sigmoid, so that its classes do not exclude each other.
    """
    makers = {name: node for node in graph.node for name in node.output}
    last = _back(makers, output, PASSED)
    node, taken_off, is_log = makers.get(last), None, False
    if node is not None and node.op_type in ("Softmax", "LogSoftmax"):
        last, taken_off = node.input[0], node.op_type
    elif node is not None and node.op_type == "Sigmoid":
        raise BundleError(
            f"the output {output} ends in a Sigmoid: it says yes or no to each class, and eyas's classes exclude each "
            "other; a Softmax or nothing must be at the end"
        )
    else:
        is_log = bool((answers >= 0).all() and np.allclose(answers.sum(axis=1), 1, atol=SUM))
    known = constants(graph)
    dense = None if is_log else _dense(makers, known, last)
    features = dense.input[0] if dense is not None else None
    return Head(last, taken_off, is_log, features, _maps(makers, known, dense) if dense is not None else None)


def _back(makers: dict[str, NodeProto], name: str, operators: tuple[str, ...]) -> str:
    """The tensor before all of these operators."""
    while (node := makers.get(name)) is not None and node.op_type in operators:
        name = node.input[0]
    return name


def _dense(makers: dict[str, NodeProto], known: Constants, name: str) -> NodeProto | None:
    """The Gemm or MatMul that gives the logits, but for a bias."""
    node = makers.get(_back(makers, name, PASSED))
    if node is not None and node.op_type == "Add" and (known.keys() & set(node.input)):
        (inner,) = [one for one in node.input if one not in known] or [""]
        node = makers.get(_back(makers, inner, PASSED))
    if node is None or node.op_type not in ("Gemm", "MatMul") or node.input[0] in known:
        return None
    return None if _attributes(node).get("transA") else node


def _maps(makers: dict[str, NodeProto], known: Constants, dense: NodeProto) -> Maps | None:
    """The maps whose average the dense layer sees, where its weights are known."""
    weights, attributes = known.get(dense.input[1]), _attributes(dense)
    pool = makers.get(_back(makers, dense.input[0], FLATTENED))
    if weights is None or weights.ndim != 2 or pool is None or (layout := _averages(pool, known)) is None:
        return None
    by_class = weights if attributes.get("transB") else weights.T
    return Maps(pool.input[0], layout, (attributes.get("alpha", 1.0) * by_class).astype(np.float32))


def _averages(node: NodeProto, known: Constants) -> Layout | None:
    """Which axes hold the positions, where the node averages over all of them."""
    if node.op_type == "GlobalAveragePool":
        return "nchw"
    if node.op_type != "ReduceMean":
        return None
    axes: Any = _attributes(node).get("axes")
    if axes is None and len(node.input) > 1:
        axes = constant_of(known, node.input[1])
    return None if axes is None else SPATIAL.get(tuple(sorted(int(axis) % 4 for axis in np.ravel(axes))))


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}
