"""What can be wrong with a bundle that somebody puts into a repository."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from eyas.bundle.folder import GOLDEN, MODEL
from eyas.bundle.manifest import digest_of
from eyas.core import io
from eyas.core.marks import MANIFEST


def corrupt(path: Path) -> None:
    """One byte of the graph is another."""
    content = bytearray((path / MODEL).read_bytes())
    content[len(content) // 2] ^= 1
    (path / MODEL).write_bytes(content)


def wrong_golden(path: Path) -> None:
    """The golden answers are those of another model; every hash is right."""
    with np.load(path / GOLDEN) as arrays:
        np.savez(path / GOLDEN, images=arrays["images"], probabilities=arrays["probabilities"][:, ::-1])
    rehash(path)


def crashing(path: Path) -> None:
    """The graph divides the least 64-bit integer by -1, which no x86 processor survives; every hash is right."""
    least = np.array(np.iinfo(np.int64).min)
    _spoil(
        path,
        [
            helper.make_node("Cast", ["sum"], ["whole"], to=TensorProto.INT64),
            helper.make_node("Sub", ["whole", "whole"], ["nought"]),
            helper.make_node("Add", ["nought", "least"], ["dividend"]),
            helper.make_node("Add", ["nought", "minus"], ["divisor"]),
            helper.make_node("Div", ["dividend", "divisor"], ["quotient"]),
            helper.make_node("Cast", ["quotient"], ["spoilt"], to=TensorProto.FLOAT),
        ],
        {"least": least, "minus": np.array(-1)},
    )


def hanging(path: Path) -> None:
    """The graph never answers; every hash is right."""
    slow(path, 2**62)


def slow(path: Path, times: int) -> None:
    """The graph counts to `times` before it answers; the answers are what they were."""
    scalar = [helper.make_tensor_value_info(name, kind, []) for name, kind in (("i", 7), ("on", 9), ("kept", 1))]
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"]), helper.make_node("Neg", ["kept"], ["next"])],
        "count",
        scalar,
        [helper.make_tensor_value_info("still", 9, []), helper.make_tensor_value_info("next", 1, [])],
    )
    loop = helper.make_node("Loop", ["times", "yes", "sum"], ["counted"], body=body)
    nothing = helper.make_node("Mul", ["counted", "nought"], ["spoilt"])
    constants = {"times": np.array(times), "yes": np.array(True), "nought": np.array(0, np.float32)}
    _spoil(path, [loop, nothing], constants)


def rehash(path: Path) -> None:
    """The manifest says of every file what it is now."""
    manifest = json.loads((path / MANIFEST).read_text())
    manifest["files"] = {name: io.sha256_file(path / name) for name in manifest["files"]}
    manifest["digest"] = digest_of(manifest)
    (path / MANIFEST).write_text(json.dumps(manifest))


def _spoil(path: Path, nodes: list[onnx.NodeProto], constants: dict[str, NDArray[np.generic]]) -> None:
    """Add to the features what `nodes` make of the sum of the pixels, from `sum` to `spoilt`."""
    model = onnx.load(path / MODEL)
    at = next(index for index, node in enumerate(model.graph.node) if node.op_type == "Flatten")
    model.graph.node[at].output[0] = "plain"
    sums = helper.make_node("ReduceSum", ["unit"], ["sum"], keepdims=0)
    added = helper.make_node("Add", ["plain", "spoilt"], ["features"])
    for offset, node in enumerate([sums, *nodes, added], start=1):
        model.graph.node.insert(at + offset, node)
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    onnx.save(model, path / MODEL)
    rehash(path)
