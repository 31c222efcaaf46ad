"""A map laid over its image: red where a part speaks for the class, blue where against it. Pillow only."""

from __future__ import annotations

import numpy as np
from PIL import Image

from eyas.explain.asking import Pixels
from eyas.explain.methods import Map

SIDE = 256  # pixels of the shorter side, at least
STRENGTH = 0.75  # of the colour where the map is strongest
FOR, AGAINST = np.array([214, 39, 40]), np.array([31, 119, 180])


def overlay(image: Pixels, found: Map) -> Image.Image:
    """An RGB picture of (H, W, C) uint8 under a map (h, w), whose strongest value has the full colour."""
    scale = max(1, -(-SIDE // min(image.shape[:2])))
    size = image.shape[1] * scale, image.shape[0] * scale
    below = np.asarray(_picture(image).resize(size, Image.Resampling.NEAREST), np.float32)
    strength = Image.fromarray(found / max(float(np.abs(found).max()), 1e-12)).resize(size, Image.Resampling.BILINEAR)
    values = np.asarray(strength)[..., None]
    share = STRENGTH * np.abs(values)
    mixed = (1 - share) * below + share * np.where(values > 0, FOR, AGAINST)
    return Image.fromarray(np.rint(mixed).clip(0, 255).astype(np.uint8))


def _picture(image: Pixels) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("L").convert("RGB")
