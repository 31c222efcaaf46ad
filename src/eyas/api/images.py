"""What a classifier is asked about, whatever it is: arrays, files, Pillow's images or a split → `uint8` pixels.

All of it takes the ONE path of `eyas.image`, as in the service.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eyas.core.errors import DataError, InputError
from eyas.data import Split
from eyas.data.sources.npz import as_pixels
from eyas.image import DAMAGE, ImagePolicy, from_pixels, to_array, upright
from eyas.infer import load_files

OneImage: TypeAlias = str | Path | Image.Image | NDArray[Any]
Images: TypeAlias = OneImage | Split | Sequence[OneImage]
"""An array is always several images: (N, H, W) or (N, H, W, 1 or 3), uint8 or floats from 0 to 1. A path may be a
folder. In a list each item is one image, an array then (H, W) or (H, W, 1 or 3)."""


class ImagesError(InputError, ValueError):
    """Arrays that are no images. A ValueError, as scikit-learn's callers expect."""


def pixels_of(images: Images, policy: ImagePolicy) -> NDArray[np.uint8]:
    """All of them as the network takes them: (N, H, W, C) uint8.

    Raises:
        InputError: an image that cannot be read, or an array of another shape, type or range.
    """
    if isinstance(images, Split):
        return _resized(images.take(slice(None)), policy)
    if isinstance(images, np.ndarray):
        return _resized(batch_of(images, policy.channels), policy)
    if isinstance(images, str | Path | Image.Image):
        return _stacked(_read(images, policy), policy)
    items: Sequence[Any] = images
    if len(items) and not isinstance(items[0], str | Path | Image.Image | np.ndarray):  # lists of numbers
        return _resized(batch_of(np.asarray(items), policy.channels), policy)
    return _stacked([pixels for item in items for pixels in _read(item, policy)], policy)


def batch_of(images: NDArray[Any], channels: int | None = None) -> NDArray[np.uint8]:
    """Several images in an array: (N, H, W, C) uint8.

    Args:
        channels: what is expected, for the message.

    Raises:
        InputError: another shape, type or range.
    """
    if images.ndim == 2:
        raise ImagesError(
            f"images must be (N, H, W) or (N, H, W, 1 or 3), got {images.shape}; give rows of pixels their shape back, "
            "such as X.reshape(-1, 8, 8)"
        )
    if images.ndim == 3 and channels == 3 and images.shape[-1] == 3:
        raise ImagesError(f"an array must be several images, got {images.shape}; put one image into a list: [image]")
    try:
        return as_pixels(images, "images")
    except DataError as error:
        raise ImagesError(str(error)) from None


def _read(image: OneImage, policy: ImagePolicy) -> list[NDArray[np.uint8]]:
    """One image, or those of a folder."""
    if isinstance(image, Image.Image):
        try:
            return [to_array(upright(image), policy)]
        except DAMAGE as error:
            raise InputError(f"the image is damaged: {error}") from error
    if isinstance(image, np.ndarray):
        return [from_pixels(batch_of(image[None])[0], policy)]
    made = []
    for loaded in load_files([image], policy):
        if loaded.pixels is None:
            raise InputError(f"{loaded.error}")
        made.append(loaded.pixels)
    return made


def _resized(images: NDArray[np.uint8], policy: ImagePolicy) -> NDArray[np.uint8]:
    if images.shape[1:] == policy.shape:
        return images
    return _stacked([from_pixels(image, policy) for image in images], policy)


def _stacked(images: Sequence[NDArray[np.uint8]], policy: ImagePolicy) -> NDArray[np.uint8]:
    return np.stack(images) if images else np.empty((0, *policy.shape), np.uint8)
