"""The course's network: dense layers on the flattened image (784-512-10: 407,050 parameters)."""

from __future__ import annotations

from itertools import pairwise
from math import prod

from torch import nn

from eyas.core.schema import MLPConfig
from eyas.nn.layers import ACTIVATIONS, batch_norm, dropout, initialise


def build_mlp(config: MLPConfig, input_shape: tuple[int, int, int], classes: int) -> tuple[nn.Module, nn.Module]:
    """Body and head. Each hidden layer: dense, activation, batch norm where asked, dropout.

    Args:
        input_shape: (H, W, C).
        classes: K.
    """
    widths = (prod(input_shape), *config.hidden)
    layers: list[nn.Module] = [nn.Flatten(), *dropout(config.input_dropout)]
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), ACTIVATIONS[config.activation]()]
        if config.batch_norm:
            layers.append(batch_norm(nn.BatchNorm1d, outputs, config.batch_norm_momentum))
        layers += dropout(config.dropout)
    body, head = nn.Sequential(*layers), nn.Linear(widths[-1], classes)
    initialise(body)
    initialise(head)
    return body, head
