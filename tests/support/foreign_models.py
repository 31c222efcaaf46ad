"""Models that eyas did not make: a small network taught by plain PyTorch, and graphs written by hand."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from PIL import Image
from torch import Tensor, nn

from eyas.data import Dataset, Split

COLOURS = {"blue": (0.2, 0.3, 0.8), "green": (0.2, 0.7, 0.3), "red": (0.8, 0.2, 0.2), "yellow": (0.8, 0.7, 0.2)}


class Net(nn.Module):
    """Convolutions, the average of maps, one dense layer; a Softmax at the end if asked for."""

    def __init__(self, softmax: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU()),
            *(nn.Conv2d(24, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU()),
        )
        self.head = nn.Linear(48, 10)
        self.softmax = softmax

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, 8, 8) float32 on -1 to 1 → (N, 10) logits or probabilities."""
        maps = self.body(images)
        logits: Tensor = self.head(maps.mean((2, 3)))
        return torch.softmax(logits, 1) if self.softmax else logits


def as_taken(split: Split) -> Tensor:
    """(N, 1, 8, 8) float32 on -1 to 1, as the network was taught."""
    return torch.from_numpy(split.take(slice(None))).permute(0, 3, 1, 2).float() / 127.5 - 1


def teach(digits: Dataset, epochs: int = 8) -> Net:
    """A network for the digits, right on nine in ten or more."""
    torch.manual_seed(0)
    net = Net()
    images, labels = as_taken(digits.train), torch.from_numpy(digits.train.labels.copy())
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(labels)), 64):
            loss = nn.functional.cross_entropy(net(images[rows]), labels[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return net.eval()


@contextmanager
def quiet() -> Iterator[None]:
    """PyTorch's own deprecations are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def write_onnx(net: nn.Module, file: Path, *, batch: int | None = None, channels: int = 1) -> Path:
    """By PyTorch's exporter, for any number of images or a fixed one."""
    dynamic = None if batch else ({0: torch.export.Dim("n")},)
    with quiet():
        torch.onnx.export(
            net, (torch.zeros(batch or 2, channels, 8, 8),), file, dynamic_shapes=dynamic, external_data=False,
            verbose=False, input_names=["pixels"], output_names=["answers"],
        )  # fmt: skip
    return file


def write_colours(folder: Path, images: int = 400) -> Path:
    """A folder of noisy images of four colours, 6 × 5 pixels; its path."""
    random = np.random.default_rng(0)
    labels = np.arange(images) % len(COLOURS)
    tints = np.array(list(COLOURS.values()))[labels][:, None, None]
    pixels = (np.clip(tints + random.normal(0, 0.15, (images, 6, 5, 3)), 0, 1) * 255).astype(np.uint8)
    for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        target = folder / list(COLOURS)[label] / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target)
    return folder


def colour_weights() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(3, 4) and (4,): the nearest colour by the mean pixel of R, G, B on 0 to 1."""
    tints = np.array(list(COLOURS.values()), np.float32)
    return 20 * tints.T, -10 * (tints**2).sum(axis=1)


def graph_of(
    nodes: list[NodeProto],
    numbers: dict[str, NDArray[np.generic]],
    *,
    shape: tuple[int | str, ...] = ("n", 6, 5, 3),
    output: str = "answers",
    opset: int = 17,
    imports: tuple[tuple[str, int], ...] = (),
) -> ModelProto:
    """A model written by hand: one input, `pixels`, and one output."""
    graph = helper.make_graph(
        nodes,
        "by hand",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", "k"])],
        [numpy_helper.from_array(value, name) for name, value in numbers.items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(*one) for one in imports)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="by hand")


def colour_graph(*, bgr: bool = False, order: tuple[int, ...] = (0, 1, 2, 3)) -> ModelProto:
    """NHWC on 0 to 1: the mean over positions, a dense layer, a Softmax; channels and classes in any order."""
    weights, bias = colour_weights()
    weights, bias = weights[::-1] if bgr else weights, bias[list(order)]
    nodes = [
        helper.make_node("ReduceMean", ["pixels"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["products"]),
        helper.make_node("Add", ["products", "bias"], ["sums"]),
        helper.make_node("Softmax", ["sums"], ["answers"], axis=-1),
    ]
    return graph_of(nodes, {"weights": weights[:, list(order)].copy(), "bias": bias})


def save(model: ModelProto, file: Path) -> Path:
    """Write it without looking at it."""
    onnx.save(model, file)
    return file
