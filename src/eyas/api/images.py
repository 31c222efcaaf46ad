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
from eyas.data import Dataset, Split
from eyas.data.sources.npz import as_pixels
from eyas.image import DAMAGE, ImagePolicy, from_pixels, to_array, upright
from eyas.infer import load_files

OneImage: TypeAlias = str | Path | Image.Image | NDArray[Any]
Images: TypeAlias = OneImage | Split | Sequence[OneImage | Split]
"""An array is always several images: (N, H, W) or (N, H, W, 1 or 3), uint8 or floats from 0 to 1; one of text, and a
pandas Series, is a list. A path may be a folder. In a list an array is one image, (H, W) or (H, W, 1 or 3)."""
ITEMS = (str, Path, Image.Image, np.ndarray, Split)
NO_NUMBERS = "OUST"
"""Kinds of arrays that are lists of something else."""


class ImagesError(InputError, ValueError):
    """Arrays that are no images. A ValueError, as scikit-learn's callers expect."""


def pixels_of(images: Images, policy: ImagePolicy) -> NDArray[np.uint8]:
    """All of them as the network takes them: (N, H, W, C) uint8.

    Raises:
        InputError: an image that cannot be read, or an array of another shape, type or range.
    """
    if isinstance(images, Split):
        return _resized(images.take(slice(None)), policy)
    if isinstance(images, str | Path | Image.Image):
        return _stacked(_read(images, policy), policy)
    items = _listed(images)
    if isinstance(items, np.ndarray):
        return _resized(batch_of(items, policy), policy)
    return _stacked([pixels for item in items for pixels in _read(item, policy)], policy)


def batch_of(images: NDArray[Any], policy: ImagePolicy | None = None) -> NDArray[np.uint8]:
    """Several images in an array: (N, H, W, C) uint8.

    Args:
        policy: what one image is like; tells one image from several.

    Raises:
        InputError: another shape, type or range.
    """
    if images.ndim == 2:
        alone = ", or put one image into a list: [image]" if policy else ""
        raise ImagesError(
            f"images must be (N, H, W) or (N, H, W, 1 or 3), got {images.shape}; give rows of pixels their shape back, "
            f"such as X.reshape(-1, 8, 8){alone}"
        )
    if policy and policy.width not in (1, 3) and images.ndim == 3 and images.shape[-1] in (1, 3):
        raise ImagesError(f"an array must be several images, got {images.shape}; put one image into a list: [image]")
    try:
        return as_pixels(images, "images")
    except DataError as error:
        raise ImagesError(str(error)) from None


def _listed(images: Any) -> NDArray[Any] | Sequence[Any]:
    """Numbers as an array of several images; anything else as a list of images.

    Raises:
        InputError: neither of them.
    """
    if isinstance(images, Dataset):
        raise ImagesError("a Dataset has three splits; name one of them, such as data.test")
    if hasattr(images, "__array__"):  # NumPy's, torch's, a Series
        array = np.asarray(images)
        return array if array.ndim == 0 or array.dtype.kind not in NO_NUMBERS else _listed(array.tolist())
    if not isinstance(images, Sequence):
        raise ImagesError(f"images must be an array, a path, one of Pillow's, a split or a list, got {images!r:.80}")
    return images if not len(images) or isinstance(images[0], ITEMS) else np.asarray(images)


def _read(image: OneImage | Split, policy: ImagePolicy) -> Sequence[NDArray[np.uint8]]:
    """One image, or those of a folder or a split."""
    if isinstance(image, Split):
        return list(_resized(image.take(slice(None)), policy))
    if isinstance(image, Image.Image):
        try:
            return [to_array(upright(image), policy)]
        except DAMAGE as error:
            raise InputError(f"the image is damaged: {error}") from error
    if isinstance(image, np.ndarray):
        return [from_pixels(batch_of(image[None])[0], policy)]
    if not isinstance(image, str | Path):
        raise ImagesError(f"in a list of images each must be a path, one of Pillow's or an array, got {image!r:.80}")
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
