"""The keys of `model`: one section a network."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    Tag,
    ValidationInfo,
    field_validator,
)

from eyas.core.schema.pretrained import PRETRAINED, PretrainedConfig
from eyas.core.schema.section import Rate, Section

Activation = Literal["relu", "gelu", "silu", "tanh", "elu", "leaky_relu"]


class MLPConfig(Section):
    """Dense layers on the flattened image."""

    name: Literal["mlp"] = "mlp"
    """`mlp`, `cnn`, `resnet`, `wide_resnet`, `pretrained:BACKBONE`, `keras:model.keras`, or `path/to/file.py:function`
    for a network of your own."""
    hidden: tuple[PositiveInt, ...] = (512,)
    """Width of each hidden layer."""
    activation: Activation = "relu"
    """Between the layers."""
    dropout: Rate = 0.2
    """After every hidden layer, so also before the output."""
    input_dropout: Rate = 0.0
    """After the input."""
    batch_norm: bool = False
    """Between each dense layer's activation and its dropout."""
    batch_norm_momentum: Rate = 0.99
    """Share of the running statistics kept at each step (Keras's convention)."""
    l2: NonNegativeFloat = 0.0
    """Adds l2 · Σ w² over the hidden dense kernels to the loss (Keras's `kernel_regularizer` on them)."""


class CNNConfig(Section):
    """Blocks of convolution, batch norm, activation, pooling and dropout, then dense layers."""

    name: Literal["cnn"] = "cnn"
    """`mlp`, `cnn`, `resnet`, `wide_resnet`, `pretrained:BACKBONE`, `keras:model.keras`, or `path/to/file.py:function`
    for a network of your own."""
    filters: tuple[PositiveInt, ...] = (32, 64, 128, 256)
    """Filters of each 3×3 block. A block pools by 2 while its input is at least 2 pixels a side."""
    dense: tuple[PositiveInt, ...] = (512, 256)
    """Width of each dense layer before the output."""
    activation: Activation = "relu"
    """After each batch norm."""
    dropout: Rate = 0.25
    """After every block's pooling."""
    dense_dropout: Rate = 0.5
    """After every dense layer."""
    batch_norm_momentum: Rate = 0.99
    """Share of the running statistics kept at each step (Keras's convention)."""
    l2: NonNegativeFloat = 0.0
    """Adds l2 · Σ w² over the hidden dense kernels to the loss (Keras's `kernel_regularizer` on them)."""


def _widths(widths: tuple[int, ...]) -> tuple[int, ...]:
    if widths:
        return widths
    raise ValueError("name the channels of at least one group")


class ResNetConfig(Section):
    """The fast residual network: a whitened stem, groups that halve the image, residual blocks, one pooled vector.

    Takes images of any size of at least 8 pixels a side.
    """

    name: Literal["resnet"] = "resnet"
    """`mlp`, `cnn`, `resnet`, `wide_resnet`, `pretrained:BACKBONE`, `keras:model.keras`, or `path/to/file.py:function`
    for a network of your own."""
    widths: Annotated[tuple[PositiveInt, ...], AfterValidator(_widths)] = (64, 224, 416)
    """Channels of each group. A group pools by 2 once, while its input is at least 2 pixels a side."""
    parameters: PositiveInt | None = None
    """Scale all `widths` together, in steps of 8 channels, to the widest network with at most this many trainable
    parameters."""
    blocks: NonNegativeInt | tuple[NonNegativeInt, ...] = 1
    """Residual 3×3 convolutions of each group after its first convolution: one number for all, or one for each."""
    early_pool: bool = False
    """Every group but the first pools before its first convolution instead of after it: a quarter of its work."""
    activation: Activation = "relu"
    """After the stem and after each batch norm."""
    whitening: bool = True
    """The stem is a frozen 2×2 convolution that decorrelates the training patches; else a learned 3×3 one with batch
    norm. Either gives 8 maps for each channel of the image."""
    norm_scale: bool = False
    """Learn batch norm's scale beside its shift."""
    squeeze_excite: bool = False
    """Weigh each group's channels by the whole image (Hu et al. 2018)."""
    pool: Literal["average", "max"] = "average"
    """Over the last group's positions. Class activation maps are exact with `average`."""
    dropout: Rate = 0.0
    """Before the output."""
    head_scale: Annotated[float, Field(gt=0)] = 1.0
    """The logits are multiplied by this."""
    batch_norm_momentum: Rate = 0.9
    """Share of the running statistics kept at each step (Keras's convention)."""

    @field_validator("blocks")
    @classmethod
    def _one_for_each(cls, blocks: int | tuple[int, ...], info: ValidationInfo) -> int | tuple[int, ...]:
        widths = info.data.get("widths", ())
        if isinstance(blocks, tuple) and widths and len(blocks) != len(widths):
            raise ValueError(f"be one number, or one for each of the {len(widths)} widths")
        return blocks


def _wide_depth(depth: int) -> int:
    if depth >= 10 and depth % 6 == 4:
        return depth
    raise ValueError("be 6 n + 4 for a whole n of at least 1 (10, 16, 22, 28, 40…)")


class WideResNetConfig(Section):
    """WRN-depth-width: pre-activation residual blocks in three groups of 16, 32 and 64 times `width` channels.

    Source: Zagoruyko & Komodakis 2016. Takes images of any size of at least 4 pixels a side.
    """

    name: Literal["wide_resnet"] = "wide_resnet"
    """`mlp`, `cnn`, `resnet`, `wide_resnet`, `pretrained:BACKBONE`, `keras:model.keras`, or `path/to/file.py:function`
    for a network of your own."""
    depth: Annotated[int, AfterValidator(_wide_depth)] = 16
    """6 n + 4, with n blocks of two convolutions in each group."""
    width: PositiveInt = 4
    """Multiplies the channels of every group."""
    dropout: Rate = 0.0
    """Between the two convolutions of each block."""
    squeeze_excite: bool = False
    """Weigh each block's channels by the whole image (Hu et al. 2018)."""
    batch_norm_momentum: Rate = 0.9
    """Share of the running statistics kept at each step (Keras's convention)."""


def _reference(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r".+\.py:[A-Za-z_]\w*", value):
        return value
    raise ValueError(
        "be mlp, cnn, resnet, wide_resnet, pretrained:BACKBONE, keras:model.keras, keras:path/to/file.py:function, or "
        "path/to/file.py:function"
    )


class CustomConfig(Section):
    """A network of the user's own: a function that returns a `torch.nn.Module`."""

    name: Annotated[str, BeforeValidator(_reference)]
    """`path/to/file.py:function`; called as function(input_shape=(H, W, C), classes=K, **options)."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments for the function."""
    l2: NonNegativeFloat = 0.0
    """Adds l2 · Σ w² over the hidden dense kernels to the loss (Keras's `kernel_regularizer` on them)."""


KERAS = "keras:"


def _keras_reference(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(rf"{KERAS}.+(\.py:[A-Za-z_]\w*|\.keras|\.h5|\.hdf5|\.json)", value):
        return value
    raise ValueError(f"be {KERAS}path/to/file.py:function, or {KERAS} and a .keras, .h5 or .json file")


class KerasConfig(Section):
    """A Keras model, computed by torch."""

    name: Annotated[str, BeforeValidator(_keras_reference)]
    """`keras:path/to/file.py:function`, called with input_shape=(H, W, C) and classes=K where it takes them, or with
    the name of a variable that is a model; or `keras:` and a saved model (.keras, .h5) or architecture (.json)."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments for the function."""

    @property
    def source(self) -> str:
        """The file: a Python file, a saved model or an architecture."""
        named = self.name.removeprefix(KERAS)
        return re.sub(r"(?<=\.py):\w+$", "", named)


ARCHITECTURES = ("mlp", "cnn", "resnet", "wide_resnet", PRETRAINED, "custom", "keras")


def _name_alone(value: Any) -> Any:
    """A word is a name, and `pretrained:BACKBONE` names both."""
    section = {"name": value} if isinstance(value, str) else value
    name = section.get("name") if isinstance(section, dict) else None
    if isinstance(name, str) and name.startswith(f"{PRETRAINED}:"):
        return {"backbone": name.partition(":")[2], **section, "name": PRETRAINED}
    return section


def _architecture(value: Any) -> str:
    name = value.get("name", "mlp") if isinstance(value, dict) else getattr(value, "name", "mlp")
    if isinstance(name, str) and name.startswith(KERAS):
        return "keras"
    return name if name in ARCHITECTURES else "custom"


ModelConfig = Annotated[
    Annotated[MLPConfig, Tag("mlp")]
    | Annotated[CNNConfig, Tag("cnn")]
    | Annotated[ResNetConfig, Tag("resnet")]
    | Annotated[WideResNetConfig, Tag("wide_resnet")]
    | Annotated[PretrainedConfig, Tag(PRETRAINED)]
    | Annotated[CustomConfig, Tag("custom")]
    | Annotated[KerasConfig, Tag("keras")],
    Discriminator(_architecture),
    BeforeValidator(_name_alone),
]
