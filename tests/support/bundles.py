"""Real bundles without torch: a linear classifier of scikit-learn's handwritten digits, at any image size.

images (N, H, W, C) uint8 ─ /255 ─ normalised ─ mean over C ─ averaged to 8 × 8 = features ─ linear ─ softmax
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from eyas.bundle import Bundle, Conformal, DatasetInfo, InputSpec, Parity, open_bundle, write_bundle
from eyas.bundle.folder import CARD, GOLDEN, MODEL, REFERENCE
from eyas.core import io
from eyas.core.schema import DataConfig
from eyas.data import open_dataset
from eyas.image import ImagePolicy, from_pixels
from eyas.monitor import build_reference

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
GRID = 8
COVERAGE = 0.9
TRAIN, VAL = slice(0, 1200), slice(1200, 1500)
TEST = slice(1500, 1600)


@dataclass(frozen=True)
class _Fit:
    mean: float
    std: float
    weights: NDArray[np.float32]  # (64, 10)
    bias: NDArray[np.float32]  # (10,)


def make_bundle(
    path: Path,
    *,
    size: tuple[int, int] = (GRID, GRID),
    channels: Literal[1, 3] = 1,
    version: str = "digits-1",
    sharpness: float = 1.0,
    cam: bool = False,
    rows: bool = True,
    fails_on_white: bool = False,
    data: str = "",
) -> Bundle:
    """Write a real bundle for images of `size` (height, width) to `path`, and open it.

    `sharpness` multiplies the logits: bundles that differ in it give other probabilities for the same classes; below 0
    they name the least likely ones. `cam`: the graph gives maps. `rows`: the reference has what tells unknown images;
    older ones lack it. `fails_on_white`: the graph fails on white images, which its golden ones are not. `data`: what
    its manifest says that it was trained with, as `data.source` has it; its classes are then "0" to "9".
    """
    policy = ImagePolicy(*size, channels)
    (val_images, val_labels), (test_images, test_labels) = digits(policy, VAL), digits(policy, TEST)
    fit = _fit()
    fit = _Fit(fit.mean, fit.std, np.float32(sharpness) * fit.weights, np.float32(sharpness) * fit.bias)
    with write_bundle(path) as draft:
        model = graph(policy, fit.weights, fit.bias, fit.mean, fit.std)
        if fails_on_white:
            fail_on_white(model)
        io.write_bytes(draft.path / MODEL, (with_maps(model, fit.weights) if cam else model).SerializeToString())
        session = ort.InferenceSession(str(draft.path / MODEL), providers=["CPUExecutionProvider"])
        val, test = _run(session, val_images), _run(session, test_images)
        np.savez(draft.path / GOLDEN, images=test_images[:16], probabilities=test.probabilities[:16])
        reference = build_reference(val.probabilities, val.logits, val.features, val_labels, val_images)
        older = {name: array for name, array in reference.items() if not name.startswith(("row_", "distance_"))}
        np.savez(draft.path / REFERENCE, allow_pickle=False, **(reference if rows else older))
        io.write_text(draft.path / CARD, "# digits\n\nA linear classifier of handwritten digits, for tests.\n")
        fields = _description(policy, version, fit) | _findings(
            val.probabilities, val_labels, test.probabilities, test_labels, _expected(test_images, fit)
        )
        fields |= {"outputs": (*fields["outputs"], "cam")} if cam else {}
        draft.finish(**fields | (_trained_with(data, policy) if data else {}))
    return open_bundle(path)


def digits(policy: ImagePolicy, split: slice) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A split of the digits at the policy's size: (N, H, W, C) uint8, and their labels (N,)."""
    data = load_digits()
    small = np.rint(data.images[split] * (255 / 16)).astype(np.uint8)[..., None]
    return np.stack([from_pixels(image, policy) for image in small]), data.target[split]


def make_folder(path: Path, split: slice) -> Path:
    """Handwritten digits as the folder of a data set: all of the split to test, 200 others to train."""
    policy = ImagePolicy(GRID, GRID, 1)
    for part, rows in (("train", slice(0, 200)), ("test", split)):
        for index, (image, label) in enumerate(zip(*digits(policy, rows), strict=True)):
            file = path / part / str(label) / f"{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(file)
    return path


def _trained_with(source: str, policy: ImagePolicy) -> dict[str, Any]:
    """The manifest's fields of a data set whose classes are "0" to "9"."""
    height, width = policy.height, policy.width
    found = open_dataset(DataConfig(source=source, image_size=(height, width), channels=policy.channels))
    counts: dict[str, int] = {split.name: len(split) for split in found.splits}
    return {
        "classes": found.classes,
        "training": {"data": {"source": source}},
        "dataset": DatasetInfo(name=found.name, fingerprint=found.fingerprint, images=counts),
    }


def graph(
    policy: ImagePolicy, weights: NDArray[np.float32], bias: NDArray[np.float32], mean: float, std: float
) -> onnx.ModelProto:
    """The classifier as ONNX, with a batch of any size."""
    channels = (1, 1, 1, policy.channels)
    constants = {
        "white": np.array(255, np.float32),
        "mean": np.full(channels, mean, np.float32),
        "std": np.full(channels, std, np.float32),
        "last": np.array([3], np.int64),
        "rows": _pooling(policy.height),
        "columns": _pooling(policy.width).T,
        "weights": weights,
        "bias": bias,
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["floats", "white"], ["unit"]),
        helper.make_node("Sub", ["unit", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], ["normalised"]),
        helper.make_node("ReduceMean", ["normalised", "last"], ["grey"], keepdims=0),
        helper.make_node("MatMul", ["rows", "grey"], ["short"]),
        helper.make_node("MatMul", ["short", "columns"], ["grid"]),
        helper.make_node("Flatten", ["grid"], ["features"]),
        helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    made = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", *policy.shape])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])
            for name, width in (("logits", len(CLASSES)), ("probabilities", len(CLASSES)), ("features", GRID * GRID))
        ],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def fail_on_white(model: onnx.ModelProto) -> None:
    """Have the graph look up its darkest pixel in a table that ends before white."""
    inner = model.graph
    inner.initializer.append(numpy_helper.from_array(np.zeros(255, np.float32), "table"))
    inner.node[0].output[0] = "raw"
    looked_up = [
        helper.make_node("ReduceMin", ["raw"], ["darkest"], keepdims=0),
        helper.make_node("Cast", ["darkest"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "place"], ["nothing"]),
        helper.make_node("Add", ["raw", "nothing"], ["floats"]),
    ]
    rest = [*inner.node[1:]]
    del inner.node[1:]
    inner.node.extend([*looked_up, *rest])
    onnx.checker.check_model(model)


def with_maps(model: onnx.ModelProto, weights: NDArray[np.float32]) -> onnx.ModelProto:
    """The same graph with `cam` (N, 10, 8, 8): what each cell of the grid adds to each logit."""
    inner = model.graph
    inner.initializer.extend(
        [
            numpy_helper.from_array(np.ascontiguousarray(weights.T.reshape(1, -1, GRID, GRID)), "cells"),
            numpy_helper.from_array(np.array([1], np.int64), "second"),
        ]
    )
    inner.node.extend(
        [helper.make_node("Unsqueeze", ["grid", "second"], ["one"]), helper.make_node("Mul", ["one", "cells"], ["cam"])]
    )
    shape: list[str | int | None] = ["batch", len(CLASSES), GRID, GRID]
    inner.output.append(helper.make_tensor_value_info("cam", TensorProto.FLOAT, shape))
    onnx.checker.check_model(model)
    return model


@cache
def _fit() -> _Fit:
    """Fitted on the digits' own 8 × 8 pixels; larger images are averaged down to those."""
    images, labels = digits(ImagePolicy(GRID, GRID, 1), TRAIN)
    unit = images.reshape(len(images), -1) / 255
    mean, std = float(unit.mean()), float(unit.std())
    model = LogisticRegression(max_iter=200, C=0.1).fit((unit - mean) / std, labels)
    return _Fit(mean, std, model.coef_.T.astype(np.float32), model.intercept_.astype(np.float32))


def _expected(images: NDArray[np.uint8], fit: _Fit) -> NDArray[np.float64]:
    """(N, 10) probabilities in NumPy: what the graph must give too."""
    _, height, width, _ = images.shape
    normalised = (images.mean(axis=3) / 255 - fit.mean) / fit.std
    grid = _pooling(height) @ normalised @ _pooling(width).T
    logits = grid.reshape(len(images), -1) @ fit.weights + fit.bias
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = exponents / exponents.sum(axis=1, keepdims=True)
    return probabilities


def _pooling(side: int) -> NDArray[np.float32]:
    """(8, side) float32, rows sum to 1: the average of each eighth; nearest where the side is under 8."""
    edges = np.linspace(0, side, GRID + 1)
    pooling = np.zeros((GRID, side), np.float32)
    for row, (low, high) in enumerate(itertools.pairwise(edges)):
        first = int(low)
        pooling[row, first : max(first + 1, int(high))] = 1
    pooling /= pooling.sum(axis=1, keepdims=True)
    return pooling


@dataclass(frozen=True)
class _Outputs:
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    features: NDArray[np.float32]


def _run(session: Any, images: NDArray[np.uint8]) -> _Outputs:
    return _Outputs(*session.run(["logits", "probabilities", "features"], {"images": images}))


def _description(policy: ImagePolicy, version: str, fit: _Fit) -> dict[str, Any]:
    """The manifest's fields that are known beforehand."""
    return {
        "name": "digits",
        "version": version,
        "created": "2025-01-01T00:00:00+00:00",
        "classes": CLASSES,
        "input": InputSpec(
            height=policy.height,
            width=policy.width,
            channels=policy.channels,
            resize=policy.resize,
            mean=(fit.mean,) * policy.channels,
            std=(fit.std,) * policy.channels,
        ),
        "outputs": ("logits", "probabilities", "features"),
        "architecture": "linear",
        "framework": "scikit-learn",
        "parameters": fit.weights.size + fit.bias.size,
        "temperature": 1.0,
        "dataset": DatasetInfo(name="digits", fingerprint="0" * 64, images={"train": 1200, "val": 300, "test": 100}),
        "training": {},
        "versions": {"onnx": onnx.__version__, "numpy": np.__version__},
    }


def _findings(
    val: NDArray[np.float32],
    val_labels: NDArray[np.int64],
    test: NDArray[np.float32],
    test_labels: NDArray[np.int64],
    expected: NDArray[np.float64],
) -> dict[str, Any]:
    """The manifest's fields that are measured; all but the labels are (N, 10) probabilities."""
    true = np.sort(val[np.arange(len(val)), val_labels])
    threshold = float(true[int((1 - COVERAGE) * (len(true) + 1)) - 1])
    return {
        "conformal": Conformal(coverage=COVERAGE, threshold=threshold, images=len(true)),
        "metrics": {
            "val": {"accuracy": float((val.argmax(axis=1) == val_labels).mean())},
            "test": {"accuracy": float((test.argmax(axis=1) == test_labels).mean())},
        },
        "parity": Parity(
            split="test",
            images=len(expected),
            differences={"probabilities": float(np.abs(expected - test).max())},
            agreement=float((expected.argmax(axis=1) == test.argmax(axis=1)).mean()),
            tolerance=1e-4,
        ),
    }
