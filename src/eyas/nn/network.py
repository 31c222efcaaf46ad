"""The shape that every network has: normalise ─► body ─► head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from eyas.nn.cam import averaged_at, class_maps


class Normalise(nn.Module):
    """(x / 255 - mean) / std per channel, from the images as they are stored to what a network computes on.

    Args:
        mean, std: C values on [0, 1], fitted on the training split or those of a pretrained backbone. To a backbone's
            three, a grey image is an RGB image of equal channels.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        mean_, std_ = torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64)
        self.register_buffer("scale", (1 / (255 * std_)).float().view(1, -1, 1, 1))
        self.register_buffer("shift", (mean_ / std_).float().view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(N, H, W, C) uint8 → (N, C, H, W) float32. The memory stays channels-last, as convolutions like it."""
        return images.permute(0, 3, 1, 2).float() * self.scale - self.shift


@runtime_checkable
class Penalised(Protocol):
    """A body that brings regularisers of its own."""

    def penalty(self, head: nn.Module) -> Tensor | float:
        """What they add to the loss."""


class Network(nn.Module):
    """An image classifier.

    Args:
        normalise: the fitted input scaling.
        body: (N, C, H, W) float32 → (N, D) features.
        head: (N, D) → (N, K) logits.
        l2: the coefficient of `penalty`.
        any_size: whether it takes images of other sizes than the one that it was built for.
    """

    def __init__(
        self, normalise: Normalise, body: nn.Module, head: nn.Module, l2: float = 0.0, *, any_size: bool = False
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.body = body
        self.head = head
        self.l2 = l2
        self.any_size = any_size
        self.computes_at: tuple[int, int] | None = None
        """(height, width) that the body itself brings images to; None where it takes them as they are."""

    def forward(self, images: Tensor) -> Tensor:
        """(N, H, W, C) uint8 → (N, K) logits."""
        return self.head(self.body(self.normalise(images)))  # type: ignore[no-any-return]

    def logits_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, H, W, C) uint8 → (N, K) logits and the (N, D) features that the head saw."""
        features = self.body(self.normalise(images))
        return self.head(features), features

    @property
    def has_cam(self) -> bool:
        """Whether the network gives class activation maps: a dense head sees the average of maps."""
        return averaged_at(self.body, self.head) is not None

    def outputs(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """(N, H, W, C) uint8 → logits (N, K), features (N, D), class activation maps (N, K, h, w) or None.

        The mean of the maps over positions, plus the head's bias, is the logits exactly; in evaluation mode only.
        """
        averaged = averaged_at(self.body, self.head)
        if averaged is None:
            return *self.logits_and_features(images), None
        maps = features = self.normalise(images)
        for done, layer in enumerate(cast(nn.Sequential, self.body), 1):  # children() would skip a layer used twice
            features = layer(features)
            maps = features if done <= averaged else maps
        return self.head(features), features, class_maps(maps, self.head)

    def penalty(self) -> Tensor | float:
        """l2 · Σ w² over the kernels of the hidden dense layers, as Keras's `kernel_regularizer=l2(...)` counts it.

        The output layer has no penalty, as in the course's listing. A body with regularisers of its own says for itself
        what it adds.
        """
        if isinstance(self.body, Penalised):
            return self.body.penalty(self.head)
        if not self.l2:
            return 0.0
        kernels = [m.weight for m in self.body.modules() if isinstance(m, nn.Linear)]
        return self.l2 * torch.stack([kernel.square().sum() for kernel in kernels]).sum() if kernels else 0.0

    def trainable_parameters(self) -> int:
        """How many numbers training may change; frozen parameters (a whitened stem's kernel, fixed scales) are not."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def total_parameters(self) -> int:
        """Frozen parameters too; running statistics and the input scaling are no parameters."""
        return sum(p.numel() for p in self.parameters())
