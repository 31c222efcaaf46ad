"""A map laid over its image: red where a part speaks for the class, blue where against it. Pillow only.

A map that has not proved itself is faint, and its caption says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from eyas.explain.asking import Pixels
from eyas.explain.explanation import Explanation
from eyas.explain.methods import Map
from eyas.explain.reliability import VERDICTS

SIDE = 256  # pixels of the shorter side, at least
STRENGTH, FAINT = 0.75, 0.25  # of the colour where the map is strongest
FOR, AGAINST = np.array([214, 39, 40]), np.array([31, 119, 180])
SMOOTHED = frozenset({"integrated-gradients", "gradient-shap"})
"""Methods that give each pixel a value of its own, which nobody can read unsmoothed."""
WIDTH_OF_BLUR = 28  # times smaller than the shorter side: a standard deviation
CAPTION, LETTERS, MARGIN = 44, 16, 8  # pixels
COLOURS = {VERDICTS[True]: "#2e7d32", VERDICTS[False]: "#b71c1c", VERDICTS[None]: "#8a6100"}


def draw(image: Pixels, found: Explanation) -> Image.Image:
    """An RGB picture of (H, W, C) uint8 under its map, with the method and its verdict below it.

    The map of a method that values single pixels is smoothed here, and here alone.
    """
    heat = smoothed(found.map) if found.method in SMOOTHED else found.map
    measured = found.reliability
    picture = overlay(image, heat, STRENGTH if measured.is_reliable else FAINT)
    return _captioned(picture, found.method, measured.verdict)


def sheet(image: Pixels, found: Sequence[Explanation]) -> Image.Image:
    """The image itself, and what several methods say of it, side by side."""
    plain = _enlarged(_rgb(image), _size(image))
    tiles = [_captioned(plain, "the image", ""), *(draw(image, one) for one in found)]
    columns = ceil(sqrt(len(tiles)))
    width, height = tiles[0].width + MARGIN, tiles[0].height + MARGIN
    rows = ceil(len(tiles) / columns)
    whole = Image.new("RGB", (columns * width - MARGIN, rows * height - MARGIN), "white")
    for at, tile in enumerate(tiles):
        whole.paste(tile, (at % columns * width, at // columns * height))
    return whole


def overlay(image: Pixels, found: Map, strength: float = STRENGTH) -> Image.Image:
    """An RGB picture of (H, W, C) uint8 under a map (h, w), whose strongest value has the colour's full `strength`."""
    size = _size(image)
    below = np.asarray(_enlarged(_rgb(image).convert("L").convert("RGB"), size), np.float32)
    scaled = Image.fromarray(found / max(float(np.abs(found).max()), 1e-12))
    values = np.asarray(scaled.resize(size, Image.Resampling.BILINEAR))[..., None]
    share = strength * np.abs(values)
    mixed = (1 - share) * below + share * np.where(values > 0, FOR, AGAINST)
    return Image.fromarray(np.rint(mixed).clip(0, 255).astype(np.uint8))


def smoothed(found: Map) -> Map:
    """A map (H, W) under a Gaussian of which 28 standard deviations are its shorter side; the edges go on."""
    deviation = max(min(found.shape) / WIDTH_OF_BLUR, 0.5)
    reach = ceil(3 * deviation)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    weights /= weights.sum()
    return _along(_along(found, weights).T, weights).T.astype(np.float32)


def _along(values: NDArray[np.floating], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(h, w) convolved along its rows."""
    reach = len(weights) // 2
    wide = np.pad(values.astype(np.float64), ((0, 0), (reach, reach)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(wide, len(weights), axis=1) @ weights


def _captioned(picture: Image.Image, method: str, verdict: str) -> Image.Image:
    """The default font has Latin letters alone: no name of a class is written."""
    whole = Image.new("RGB", (picture.width, picture.height + CAPTION), "white")
    whole.paste(picture)
    pen, font = ImageDraw.Draw(whole), ImageFont.load_default(LETTERS)
    pen.text((4, picture.height + 2), method, "black", font)
    if verdict:
        pen.text((4, picture.height + 22), verdict, COLOURS[verdict], font)
    return whole


def _size(image: Pixels) -> tuple[int, int]:
    """Width and height of its picture."""
    scale = max(1, -(-SIDE // min(image.shape[:2])))
    return image.shape[1] * scale, image.shape[0] * scale


def _enlarged(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture.resize(size, Image.Resampling.NEAREST)


def _rgb(image: Pixels) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("RGB")
