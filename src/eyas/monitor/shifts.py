"""Changes that production brings to images, made on purpose: to see what a monitor says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from eyas.core.errors import ConfigError

Pixels = NDArray[np.uint8]
"""(H, W, C) uint8, C = 1 or 3."""


@dataclass(frozen=True)
class Shift:
    """One kind of change."""

    says: str
    usual: float
    """How much of it, where nothing else is asked for."""
    least: float
    most: float
    change: Callable[[Pixels, float, np.random.Generator], Pixels]


def noise(image: Pixels, deviation: float, rng: np.random.Generator) -> Pixels:
    """Normal noise on every value, clipped."""
    return _clipped(image + rng.normal(0, deviation, image.shape))


def blur(image: Pixels, radius: float, rng: np.random.Generator) -> Pixels:
    """A Gaussian of this deviation, in pixels."""
    return _by_pillow(image, lambda picture: picture.filter(ImageFilter.GaussianBlur(radius)))


def rotate(image: Pixels, degrees: float, rng: np.random.Generator) -> Pixels:
    """To the left about the middle; what comes in is black."""
    return _by_pillow(image, lambda picture: picture.rotate(degrees, Image.Resampling.BILINEAR))


def translate(image: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    """To the right and down by a share of each side; what comes in is black."""
    height, width = image.shape[:2]
    down, right = round(share * height), round(share * width)
    moved = np.zeros_like(image)
    moved[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = image[
        max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)
    ]
    return moved


def darken(image: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    """A camera that loses this share of its light."""
    return _clipped(image * (1 - share))


def contrast(image: Pixels, factor: float, rng: np.random.Generator) -> Pixels:
    """Distances from the image's own mean are multiplied by this."""
    mean = image.mean()
    return _clipped(mean + factor * (image - mean))


def occlude(image: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    """A black square of this share of the shorter side, anywhere."""
    height, width = image.shape[:2]
    side = max(1, round(share * min(height, width)))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    covered = image.copy()
    covered[top : top + side, left : left + side] = 0
    return covered


SHIFTS = {
    "noise": Shift("normal noise; its deviation, of 255", 50, 0, 255, noise),
    "blur": Shift("Gaussian blur; its deviation in pixels", 2, 0, 100, blur),
    "rotate": Shift("turned to the left; degrees", 40, -180, 180, rotate),
    "translate": Shift("moved right and down; share of each side", 0.2, -0.9, 0.9, translate),
    "darken": Shift("light lost; its share", 0.5, 0, 1, darken),
    "contrast": Shift("contrast; factor", 0.4, 0, 10, contrast),
    "occlude": Shift("a black square; share of the shorter side", 0.5, 0, 1, occlude),
}


def shifted(image: Pixels, name: str, amount: float | None, rng: np.random.Generator) -> Pixels:
    """An image after a change.

    Args:
        image: (H, W, C) uint8.
        name: of `SHIFTS`.
        amount: of the change; its usual one where None.
        rng: draws what is random in it.

    Raises:
        ConfigError: there is no such change, or it has not so much.
    """
    shift = SHIFTS.get(name)
    if shift is None:
        raise ConfigError(f"a shift must be one of {', '.join(SHIFTS)}, got {name}")
    amount = shift.usual if amount is None else amount
    if not shift.least <= amount <= shift.most:
        raise ConfigError(f"{name} ({shift.says}) must lie in [{shift.least:g}, {shift.most:g}], got {amount:g}")
    return shift.change(image, amount, rng)


def _clipped(values: NDArray[np.floating]) -> Pixels:
    clipped: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return clipped


def _by_pillow(image: Pixels, work: Callable[[Image.Image], Image.Image]) -> Pixels:
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    return np.asarray(work(picture), np.uint8).reshape(image.shape)
