"""What the schema cannot see of `augment`: whether it fits the images."""

from __future__ import annotations

from math import isfinite

from eyas.core.errors import ConfigError
from eyas.core.schema import AugmentConfig


def check_augment(config: AugmentConfig, shape: tuple[int, int, int], where: str = "augment") -> None:
    """Refuse what cannot be done to images of this size, or would do nothing.

    Args:
        shape: (H, W, C).
        where: the section's path, for the message.

    Raises:
        ConfigError: names the key, the rule and what it got.
    """
    height, width, _ = shape
    side = min(height, width)
    if config.crop >= side:  # a mirror image has one pixel less than the image: its edge is not repeated
        raise ConfigError(f"{where}.crop must be below the image's smaller side {side}, got {config.crop}")
    if config.cutout > side:
        raise ConfigError(f"{where}.cutout must be at most the image's smaller side {side}, got {config.cutout}")
    if config.flip != "none" and width == 1:
        raise ConfigError(f"{where}.flip must be none for images that are 1 pixel wide, got {config.flip}")
    if config.cutmix and height * width == 1:
        raise ConfigError(f"{where}.cutmix must be 0 for images of 1 pixel, got {config.cutmix:g}")
    for key, alpha in (("mixup", config.mixup), ("cutmix", config.cutmix)):
        if not isfinite(alpha):
            raise ConfigError(f"{where}.{key} must be a finite number, got {alpha}")
