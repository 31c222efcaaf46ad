"""Where Grad-CAM looks: the last maps that convolutions have made, found by watching one image pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from eyas.core.errors import InputError
from eyas.nn import Network

CHANNELS_FIRST = (
    nn.Conv2d,
    nn.BatchNorm2d,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.AdaptiveAvgPool2d,
)
"""Modules that know which axis has the channels; of any other that is told from the sides of what these gave."""


def last_maps(network: Network, pixels: Tensor) -> nn.Module:
    """The last module of the body that gives maps (N, D, h, w), after a convolution, of more than one position.

    A network that averages its maps has them just before; where pools leave a single position, it lies further up.
    Passed over are a module that is used more than once, which cannot be told apart from itself; one that gives
    (N, h, w, D), as transformers do and Keras; and one that gives as many channels as rows and columns, unless it is
    of `CHANNELS_FIRST`.

    Args:
        pixels: (1, H, W, C) float32: an image that the network takes.

    Raises:
        InputError: there is none.
    """
    seen: list[nn.Module] = []
    made: list[nn.Module] = []
    sides: set[tuple[int, ...]] = set()

    def look(module: nn.Module, inputs: Any, output: Any) -> None:
        seen.append(module)
        if not isinstance(output, Tensor) or output.ndim != 4:
            return
        surely = isinstance(module, nn.Conv2d if not sides else CHANNELS_FIRST)
        if surely:
            sides.add(tuple(output.shape[2:]))
        if output[0, 0].numel() > 1 and (surely or _are_maps(output, sides)):
            made.append(module)

    hooks = [module.register_forward_hook(look) for module in network.body.modules()]
    try:
        with torch.no_grad():
            network(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    for module in reversed(made):
        if seen.count(module) == 1:
            return module
    raise InputError(
        "grad-cam needs maps of convolutions, of more than one position, and this network gives none; ask for "
        "integrated-gradients or gradient-shap"
    )


def _are_maps(output: Tensor, sides: set[tuple[int, ...]]) -> bool:
    """Whether (N, D, h, w) is more likely than (N, h, w, D): by the sides (h, w) of maps that were seen before."""
    return tuple(output.shape[2:]) in sides and tuple(output.shape[1:3]) not in sides
