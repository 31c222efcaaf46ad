"""A network on a backbone: enlarge ─► backbone ─► standardise ─► average ┃ dense."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d
from torch.nn.modules.batchnorm import _BatchNorm

from eyas.core.errors import ConfigError
from eyas.core.schema import PretrainedConfig
from eyas.nn.network import Network, Normalise
from eyas.nn.pretrained.backbone import Backbone
from eyas.nn.pretrained.library import timm
from eyas.nn.pretrained.resize import Resize

LEAST = 0.1


class Maps(nn.Module):
    """The backbone's last maps, and those of some stages before them, averaged down to their size: (N, D, h, w).

    Args:
        stages: how many, counted from the backbone's end.
    """

    def __init__(self, model: nn.Module, stages: int) -> None:
        super().__init__()
        self.model, self.stages = model, stages

    def forward(self, images: Tensor) -> Tensor:
        """Of (N, 3, H, W) images.

        Where a stage's maps are a multiple of the last ones' size, the mean of each over positions stays its own.
        """
        if not self.stages:
            return self.model.forward_features(images)  # type: ignore[operator, no-any-return]
        last, earlier = self.model.forward_intermediates(images, indices=self.stages)  # type: ignore[operator]
        return torch.cat([last, *(adaptive_avg_pool2d(maps, last.shape[2:]) for maps in earlier)], 1)


class Standardise(nn.Module):
    """(x - mean) / deviation for each of D features, or for each channel of (N, D, h, w) maps; until `fit`, x itself.

    One step of descent then suits all weights of the dense layer.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def fit(self, mean: Tensor, deviation: Tensor) -> None:
        """Take (D,) means and deviations.

        A deviation far below the others' mean counts as `LEAST` of that: a feature that hardly ever varies would
        otherwise be rounding errors writ large.
        """
        least = LEAST * deviation.mean()
        self.mean.copy_(mean)
        self.scale.copy_(1 / deviation.clamp(min=float(least)) if least > 0 else torch.ones_like(deviation))

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        shape = (1, -1, *(1 for _ in x.shape[2:]))
        return (x - self.mean.view(shape)) * self.scale.view(shape)


class PretrainedNetwork(Network):
    """Takes images, and also the (N, D) features that `features` gave for them: a frozen backbone need not run twice.

    Args:
        depths: the backbone's parameters by their distance from the dense layer, 1 the nearest.
        computes_at: (height, width) of the images that the backbone sees.
    """

    def __init__(
        self,
        config: PretrainedConfig,
        normalise: Normalise,
        body: nn.Sequential,
        head: nn.Linear,
        depths: dict[int, list[nn.Parameter]],
        computes_at: tuple[int, int],
    ) -> None:
        super().__init__(normalise, body, head)
        self.config = config
        self.computes_at = computes_at
        self.width, self.classes = head.in_features, head.out_features
        self._depths = depths
        if config.frozen:
            body.requires_grad_(False)

    @property
    def model(self) -> nn.Module:
        """timm's network, without a classifier."""
        layer = self._layers()[1]
        return layer.model if isinstance(layer, Maps) else layer

    @property
    def standardise(self) -> Standardise:
        """The layer of the body that is fitted to the training features."""
        return next(layer for layer in self._layers() if isinstance(layer, Standardise))

    def forward(self, images: Tensor) -> Tensor:
        """(N, H, W, C) uint8 images, or (N, D) float features → (N, K) logits."""
        if images.ndim == 2:
            return self.head(self.standardise(images))  # type: ignore[no-any-return]
        return super().forward(images)

    def features(self, images: Tensor) -> Tensor:
        """(N, H, W, C) uint8 → (N, D), before they are standardised."""
        found = self.normalise(images)
        for layer in self._layers():
            if not isinstance(layer, Standardise):
                found = layer(found)
        return found  # type: ignore[no-any-return]

    def train(self, mode: bool = True) -> PretrainedNetwork:
        """A frozen backbone stays in evaluation, and so does batch norm that is to keep its statistics."""
        super().train(mode)
        if self.config.frozen:
            self.body.eval()
        elif self.config.freeze_batch_norm:
            for layer in self.body.modules():
                if isinstance(layer, _BatchNorm):
                    layer.eval()
        return self

    def rate_groups(self) -> list[tuple[float, list[nn.Parameter]]]:
        """The head at the full learning rate, and each group below it at `layer_decay` of the one above."""
        groups = [(1.0, list(self.head.parameters()))]
        if not self.config.frozen:
            groups += [(self.config.layer_decay**depth, self._depths[depth]) for depth in sorted(self._depths)]
        return groups

    def _layers(self) -> Sequence[nn.Module]:
        return list(self.body.children())


def build_pretrained(
    config: PretrainedConfig, backbone: Backbone, input_shape: tuple[int, int, int], classes: int, normalise: Normalise
) -> PretrainedNetwork:
    """The network with random weights; `load_pretrained` gives the backbone its own.

    Where the backbone's features are the average of its last maps, that is how the network computes them, so that it
    has class activation maps.

    Args:
        input_shape: (H, W, C).

    Raises:
        ConfigError: the images are larger than what the backbone computes on.
    """
    largest, size = max(input_shape[:2]), config.size or backbone.size
    if largest > size:
        raise ConfigError(
            f"images of {input_shape[0]}×{input_shape[1]} pixels are larger than the {size} that "
            f"{backbone.architecture} computes on; data.image_size={size} makes them smaller once and for all, "
            f"model.size={largest} is larger"
        )
    model = create(backbone, num_classes=0).eval()
    averaged, width = _inspect(model, size, config.stages)
    enlarge: nn.Module = nn.Identity()
    if input_shape[:2] != (size, size):
        enlarge = Resize(*input_shape[:2], size, backbone.interpolation)
    maps = [Maps(model, config.stages), Standardise(width), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    body = nn.Sequential(enlarge, *(maps if averaged else [model, Standardise(width)]))
    head = nn.Linear(width, classes)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return PretrainedNetwork(config, normalise, body, head, _depths(model), (size, size))


def create(backbone: Backbone, **arguments: Any) -> nn.Module:
    """timm's network.

    Raises:
        ConfigError: the description's arguments are not the architecture's.
    """
    try:
        made: nn.Module = timm().create_model(backbone.architecture, **{**backbone.arguments, **arguments})
    except TypeError as error:
        raise ConfigError(f"model.backbone: {backbone.architecture} cannot be built: {error}") from error
    return made


@torch.no_grad()
def _inspect(model: nn.Module, size: int, stages: int) -> tuple[bool, int]:
    """Whether the features are the mean of maps (N, D, h, w), and D with the stages' own.

    Raises:
        ConfigError: it cannot compute on this size, or stages are asked for that it does not have.
    """
    image = torch.linspace(-1, 1, 3 * size * size).view(1, 3, size, size)
    try:
        features, maps = model(image), model.forward_features(image)  # type: ignore[operator]
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"model.size={size} does not suit this backbone: {error}") from error
    averaged = isinstance(maps, Tensor) and maps.ndim == 4 and maps.shape[1] == features.shape[1]
    averaged = averaged and torch.allclose(maps.mean((2, 3)), features, rtol=1e-3, atol=1e-4)
    if not stages:
        return averaged, features.shape[1]
    known = len(getattr(model, "feature_info", ())) if averaged and hasattr(model, "forward_intermediates") else 0
    if not known:
        raise ConfigError("model.stages needs a backbone that averages its last maps; this one does something else")
    if stages > known:
        raise ConfigError(f"model.stages must be at most {known} for this backbone, got {stages}")
    return True, Maps(model, stages)(image).shape[1]


def _depths(model: nn.Module) -> dict[int, list[nn.Parameter]]:
    """Parameters by their distance from the dense layer, as timm groups an architecture's layers."""
    from timm.models import group_parameters

    found: dict[str, int] = group_parameters(model, model.group_matcher(coarse=False), reverse=True)  # type: ignore[operator]
    deepest = max(found.values(), default=0)
    depths: dict[int, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        depths.setdefault(deepest - found[name] + 1, []).append(parameter)
    return depths
