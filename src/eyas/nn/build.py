"""From the `model` section of the configuration to a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eyas.core.schema import CNNConfig, CustomConfig, MLPConfig
from eyas.nn.cnn import build_cnn
from eyas.nn.custom import build_custom
from eyas.nn.mlp import build_mlp
from eyas.nn.network import Network, Normalise


def build_network(
    config: MLPConfig | CNNConfig | CustomConfig,
    input_shape: tuple[int, int, int],
    classes: int,
    mean: Sequence[float],
    std: Sequence[float],
    file: Path | None = None,
) -> Network:
    """A freshly initialised network; torch's global random generator decides its weights.

    Args:
        input_shape: (H, W, C).
        classes: K.
        mean, std: C values on [0, 1].
        file: for a custom network, where its source lies now.
    """
    match config:
        case MLPConfig():
            body, head = build_mlp(config, input_shape, classes)
        case CNNConfig():
            body, head = build_cnn(config, input_shape, classes)
        case CustomConfig():
            body, head = build_custom(config, input_shape, classes, file)
    return Network(Normalise(mean, std), body, head, config.l2)
