"""From the `model` section of the configuration to a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eyas.core.schema import (
    CNNConfig,
    CustomConfig,
    KerasConfig,
    MLPConfig,
    ModelConfig,
    PretrainedConfig,
    ResNetConfig,
    WideResNetConfig,
)
from eyas.nn.cnn import build_cnn
from eyas.nn.custom import build_custom
from eyas.nn.from_keras import build_keras
from eyas.nn.mlp import build_mlp
from eyas.nn.network import Network, Normalise
from eyas.nn.pretrained import build_pretrained, find_backbone, read_backbone
from eyas.nn.residual import build_resnet
from eyas.nn.wide_resnet import build_wide_resnet


def build_network(
    config: ModelConfig,
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
        file: where what is kept of a custom, Keras or pretrained network lies now: its source, or its backbone's
            description.

    Raises:
        ConfigError: the images are too small for the network, its size cannot be had, or its source does not fit.
    """
    l2, any_size = 0.0, True
    match config:
        case MLPConfig():
            body, head = build_mlp(config, input_shape, classes)
            l2, any_size = config.l2, False
        case CNNConfig():
            body, head = build_cnn(config, input_shape, classes)
            l2, any_size = config.l2, False
        case ResNetConfig():
            body, head = build_resnet(config, input_shape, classes)
        case WideResNetConfig():
            body, head = build_wide_resnet(config, input_shape, classes)
        case CustomConfig():
            body, head, any_size = build_custom(config, input_shape, classes, file)
            l2 = config.l2
        case KerasConfig():
            body, head, any_size = build_keras(config, input_shape, classes, file)
        case PretrainedConfig():
            backbone = read_backbone(file) if file else find_backbone(config)[0]
            return build_pretrained(config, backbone, input_shape, classes, Normalise(mean, std))
    return Network(Normalise(mean, std), body, head, l2, any_size=any_size)
