"""The keys of `model` where the network stands on a pretrained backbone."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from eyas.core.schema.section import Section

PRETRAINED = "pretrained"


class PretrainedConfig(Section):
    """A backbone that has learnt from other images, and a dense layer for these classes.

    `pretrained:BACKBONE` is short for `{name: pretrained, backbone: BACKBONE}`.
    """

    name: Literal["pretrained"] = "pretrained"
    """`pretrained`."""
    backbone: Annotated[str, Field(min_length=1)]
    """A timm model (`resnet18.a1_in1k`), `hf-hub:owner/name` in timm's format, or a folder that holds `config.json` and
    the weights as the hub has them."""
    weights: str | None = None
    """The weights, where they are not the backbone's own: a .safetensors or torch file, or a folder or an installed
    package that holds one."""
    offline: bool = False
    """Take from the cache alone what the hub has; so does HF_HUB_OFFLINE=1."""
    size: PositiveInt | None = None
    """Pixels a side that the network itself enlarges images to. Unset: what the backbone was trained on."""
    stages: NonNegativeInt = 0
    """How many of the backbone's stages, counted from its end, give features beside its last maps: the mean of each
    channel. A frozen backbone's earlier ones know more of edges and textures, which small images are made of."""
    frozen: bool = True
    """The backbone stays as it is: its features of every image are computed once, and kept. `false`: all is trained,
    from a dense layer that was fitted to those features (or from `train.start_from`)."""
    views: PositiveInt = 1
    """Of a frozen backbone: features of this many views of each training image, the first one as it is and the others
    varied as `augment` says; with a flip every other one is a mirror image."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Where all is trained: the learning rate of each layer's group is this share of the one above it."""
    freeze_batch_norm: bool = True
    """Where all is trained: the backbone's batch norm keeps the running statistics that it came with."""
