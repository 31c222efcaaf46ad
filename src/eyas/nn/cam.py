"""Class activation maps, where a dense head sees the average of maps."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import conv2d

from eyas.nn.dropout import Dropout
from eyas.nn.layers import ScaledLinear

# What does nothing in evaluation.
IDLE = (Dropout, nn.Dropout, nn.Identity)


def averaged_at(body: nn.Module, head: nn.Module) -> int | None:
    """How many of the body's layers give the maps that are then averaged over all positions for a dense head.

    None where the network is not of that kind, or is not written as an `nn.Sequential` that shows it by ending in
    `nn.AdaptiveAvgPool2d(1)` and `nn.Flatten()`; dropout may follow.
    """
    if not isinstance(body, nn.Sequential) or type(body).forward is not nn.Sequential.forward:
        return None
    layers = list(body)
    while layers and isinstance(layers[-1], IDLE):
        layers.pop()
    if len(layers) < 2:
        return None
    pool, flatten = layers[-2:]
    averaged = isinstance(pool, nn.AdaptiveAvgPool2d) and pool.output_size in (1, (1, 1))
    flat = isinstance(flatten, nn.Flatten) and (flatten.start_dim, flatten.end_dim) == (1, -1)
    dense = type(head) in (nn.Linear, ScaledLinear)  # a subclass may compute anything
    return len(layers) - 2 if averaged and flat and dense else None


def class_maps(maps: Tensor, head: nn.Module) -> Tensor:
    """cam_k = Σ_d w_kd · maps_d: what each position adds to each logit.

    The mean of cam_k over positions, plus the head's bias b_k, is logit k exactly.

    Args:
        maps: (N, D, h, w): what is averaged.
        head: the dense layer, (N, D) → (N, K).

    Returns:
        (N, K, h, w).

    Source: Zhou et al. 2016, eq. 2, where S_c is a sum over positions and ours a mean.
    """
    kernel: Tensor = head.kernel if isinstance(head, ScaledLinear) else head.weight  # type: ignore[assignment]
    return conv2d(maps, kernel[:, :, None, None])
