"""A network as an ONNX graph: uint8 images in; logits, calibrated probabilities, features and, if any, maps out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from eyas.core.errors import BundleError
from eyas.infer.session import CAM, OUTPUTS
from eyas.nn import Network

OPSET = 20


class Graph(nn.Module):
    """What the bundle computes: everything from stored pixels to calibrated probabilities."""

    temperature: Tensor

    def __init__(self, network: Network, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("temperature", torch.tensor(temperature, dtype=torch.float32))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(N, H, W, C) uint8 → logits (N, K), softmax(logits / T) (N, K), features (N, D), all float32.

        And class activation maps (N, K, h, w) float32 where the network has them.
        """
        logits, features, cam = self.network.outputs(images)
        answers = (logits, torch.softmax(logits / self.temperature, dim=1), features)
        return answers if cam is None else (*answers, cam)


def output_names(network: Network) -> tuple[str, ...]:
    """What the network's graph gives, in order."""
    return (*OUTPUTS, CAM) if network.has_cam else OUTPUTS


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Without the exporter's own deprecations, and its notes on torchvision, which eyas does not use."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def trace(network: Network, temperature: float, input_shape: tuple[int, int, int], file: Path) -> None:
    """Write the graph to `file`, for any batch size.

    Args:
        input_shape: (H, W, C).

    Raises:
        BundleError: the network does something that ONNX cannot say.
    """
    graph = Graph(network, temperature).cpu().eval()
    example = torch.zeros(2, *input_shape, dtype=torch.uint8)
    with quiet_exporter():
        try:
            torch.onnx.export(
                graph,
                (example,),
                file,
                input_names=["images"],
                output_names=list(output_names(network)),
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            )
        except (torch.onnx.errors.OnnxExporterError, torch._dynamo.exc.TorchDynamoException) as error:
            raise BundleError(f"the network cannot be written as an ONNX graph: {error}") from error
