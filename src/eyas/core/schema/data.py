"""The keys of `data`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveFloat

from eyas.core.schema.section import Fraction, PixelLimit, Section


def _image_size(value: Any) -> Any:
    if (
        value is None
        or is_side(value)
        or (isinstance(value, list | tuple) and len(value) == 2 and all(map(is_side, value)))
    ):
        return value
    raise ValueError("be a positive number of pixels, or [height, width]")


def is_side(value: Any) -> bool:
    """Whether it is a positive whole number of pixels."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


ImageSize = Annotated[int | tuple[int, int] | None, BeforeValidator(_image_size)]


class Scaling(Section):
    """(x - mean) / std of pixels x on [0, 1]."""

    mean: tuple[float, ...]
    """Of each channel."""
    std: tuple[PositiveFloat, ...]
    """Of each channel."""


SCALINGS = ("standard", "unit", "symmetric", "bytes")


def _normalize(value: Any) -> Any:
    if value in SCALINGS or isinstance(value, Scaling):
        return value
    if isinstance(value, dict) and value.keys() == {"mean", "std"}:
        return Scaling.model_validate(value)
    raise ValueError(f"be one of {', '.join(SCALINGS)}, or {{mean: [...], std: [...]}} of each channel on [0, 1]")


Normalize = Annotated[Literal["standard", "unit", "symmetric", "bytes"] | Scaling, BeforeValidator(_normalize)]


class DataConfig(Section):
    """Which images, at what size, and how they are split."""

    source: str | None = None
    """A folder, an archive, an .npz, a CSV or Parquet table, `digits`, `mnist`, `fashion-mnist`, `cifar10`,
    `cifar100`, or `kaggle:owner/name`."""
    image_size: ImageSize = None
    """Pixels: one side, or [height, width]. Unset: the images' own size, which must then be one and the same."""
    channels: Literal[1, 3] | None = None
    """1 for grey, 3 for RGB. Unset: 1 where every image is grey, else 3."""
    resize: Literal["stretch", "crop", "pad"] = "stretch"
    """How an image of another shape becomes `image_size`."""
    normalize: Normalize = "standard"
    """`standard`: subtract the training split's mean and divide by its deviation, by channel; `unit`: [0, 1];
    `symmetric`: [-1, 1]; `bytes`: 0 to 255, for a network that scales by itself; or {mean: [...], std: [...]} of each
    channel, to be subtracted and divided by on [0, 1]."""
    val_fraction: Fraction = 0.1
    """Carved from what the test split left of the training images, where the source has no validation split."""
    test_fraction: Fraction = 0.1
    """Carved from the training images, where the source has no test split."""
    fixes: str | None = None
    """A file that `eyas data check --fix FILE` wrote: images to leave out and labels to change, honoured in train and
    val; the test split stays, and is measured without its near-duplicates as well."""
    seed: NonNegativeInt = 0
    """Decides the splits; not the training, which has its own."""
    train_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of each class's training images to train on, at least one; a smaller share lies within a larger one.
    Validation and test images stay all."""
    train_fraction_seed: NonNegativeInt = 0
    """Decides which images a share holds."""
    max_pixels: PixelLimit = 50_000_000
    """An image with more pixels is refused by its header, before it is decoded."""
    force: bool = False
    """Train even where the check of the data says that it would be spoilt."""
