"""The keys of `augment`: how training images are varied. Validation and test images never are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from eyas.core.schema.section import Rate, Section


class AugmentConfig(Section):
    """How training images are varied, in this order, each image by draws of its own; nothing by default."""

    flip: Literal["none", "random", "alternating"] = "none"
    """Left and right change places: each time with chance 1/2, or at every second epoch (half of the images at the
    even ones, the other half at the odd ones), so that two epochs show both sides of every image."""
    policy: Literal["none", "randaugment", "trivialaugment"] = "none"
    """Colour and geometry: `policy_ops` random operations of `policy_magnitude`, or one of random magnitude."""
    policy_ops: PositiveInt = 2
    """For randaugment."""
    policy_magnitude: Annotated[int, Field(ge=0, le=30)] = 9
    """For randaugment: 0 to 30."""
    color_jitter: Rate = 0.0
    """Brightness, contrast and saturation are each multiplied by a draw from [1 - s, 1 + s]."""
    crop: NonNegativeInt = 0
    """Pixels: the image is mirrored outwards this far on every side, and its own size is cut out anywhere."""
    cutout: NonNegativeInt = 0
    """Side in pixels of a square, anywhere in the image, that becomes mid-grey."""
    mixup: NonNegativeFloat = 0.0
    """α: images and labels are mixed with another's by a share drawn from Beta(α, α)."""
    cutmix: NonNegativeFloat = 0.0
    """α: a rectangle of another image, its area's share drawn from Beta(α, α), and that share of its label. Beside
    `mixup`, each batch takes one of the two at random."""
    strong_until: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the run's epochs after which only `flip` and `crop` go on: the last epochs see nearly plain images (He,
    Xie, Chen, Zhang, Wang & Tian 2019, "Data augmentation revisited", arXiv 1909.09148)."""

    @property
    def mild(self) -> AugmentConfig:
        """What goes on after `strong_until`."""
        return AugmentConfig(flip=self.flip, crop=self.crop)
