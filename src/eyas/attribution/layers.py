"""Where Grad-CAM looks: the last maps that convolutions have made, found by watching one image pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from eyas.core.errors import InputError
from eyas.nn import Network


def last_maps(network: Network, pixels: Tensor) -> nn.Module:
    """The last module of the body that gives maps (N, D, h, w), after a convolution, of more than one position.

    A network that averages its maps has them just before; where pools leave a single position, it lies further up.
    A module that is used more than once cannot be told apart from itself, and is passed over.

    Args:
        pixels: (1, H, W, C) float32: an image that the network takes.

    Raises:
        InputError: there is none.
    """
    seen: list[nn.Module] = []
    made: list[nn.Module] = []
    convolved = False

    def look(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal convolved
        convolved |= isinstance(module, nn.Conv2d)
        seen.append(module)
        if convolved and _are_maps(output, pixels):
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


def _are_maps(output: Any, pixels: Tensor) -> bool:
    """Channels first: neither side longer than the image's, as the channels of (N, h, w, D) would be."""
    if not isinstance(output, Tensor) or output.ndim != 4:
        return False
    height, width = output.shape[2:]
    return height * width > 1 and height <= pixels.shape[1] and width <= pixels.shape[2]
