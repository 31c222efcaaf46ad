"""The source's network: convolution blocks 32-64-128-256, then dense layers 512 and 256."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from eyas.core.schema import CNNConfig
from eyas.nn.layers import ACTIVATIONS, MONOTONE, batch_norm, dropout, initialise


def build_cnn(config: CNNConfig, input_shape: tuple[int, int, int], classes: int) -> tuple[nn.Module, nn.Module]:
    """Body and head.

    Each block: 3×3 convolution, batch norm, activation, 2×2 max-pool, dropout; the pool comes before an activation
    that never falls, which gives the same numbers, and is left out once a side has shrunk to 1 pixel, so that any
    input size will do. Each dense layer: dense, batch norm, activation, dropout.

    Args:
        input_shape: (H, W, C).
        classes: K.
    """
    height, width, channels = input_shape
    activation, momentum = ACTIVATIONS[config.activation], config.batch_norm_momentum
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((channels, *config.filters)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), batch_norm(nn.BatchNorm2d, outputs, momentum)]
        if min(height, width) >= 2:
            pooled = [activation(), nn.MaxPool2d(2)]
            layers += reversed(pooled) if config.activation in MONOTONE else pooled
            height, width = height // 2, width // 2
        else:
            layers.append(activation())
        layers += dropout(config.dropout)
    layers.append(nn.Flatten())
    flat = height * width * (config.filters[-1] if config.filters else channels)
    for inputs, outputs in pairwise((flat, *config.dense)):
        layers += [nn.Linear(inputs, outputs), batch_norm(nn.BatchNorm1d, outputs, momentum), activation()]
        layers += dropout(config.dense_dropout)
    body, head = nn.Sequential(*layers), nn.Linear(config.dense[-1] if config.dense else flat, classes)
    initialise(body)
    initialise(head)
    return body, head
