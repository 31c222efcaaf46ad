"""Whatever a caller has of images → the files that are sent.

path, bytes of a file      sent as they are: the service decodes them, as it does for every client
NumPy array, Pillow image  sent as PNG, which loses nothing
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eyas.core.errors import InputError
from eyas.image import DAMAGE, to_png, upright

OneImage: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | NDArray[Any] | Image.Image
Images: TypeAlias = OneImage | Sequence[OneImage]
"""One image or several; an array may hold several by itself."""
FAST = 1  # zlib's level: higher ones take longer than the bytes that they save


@dataclass(frozen=True)
class Upload:
    """An encoded image, and what the service's errors are to call it."""

    name: str
    content: bytes


def read_images(images: Images) -> list[Upload]:
    """The files to send, in order.

    Args:
        images: a path, the bytes of an image file, a Pillow image, an array (uint8, or float in [0, 1]) of the shape
            (H, W, C) or (N, H, W, C) with C = 1 or 3; or a list or tuple of these.

    Raises:
        InputError: something else, a file that cannot be read, or no image at all.
    """
    several = images if isinstance(images, list | tuple) else (images,)
    uploads = [upload for number, image in enumerate(several, 1) for upload in _uploads(image, f"image {number}")]
    if not uploads:
        raise InputError("images must hold at least one image, got none")
    return uploads


def _uploads(image: object, name: str) -> Iterator[Upload]:
    """Of one element; `name`: where it has none of its own."""
    if isinstance(image, str | os.PathLike):
        yield _read(Path(image))
    elif isinstance(image, bytes | bytearray | memoryview):
        yield Upload(name, bytes(image))
    elif isinstance(image, Image.Image):
        yield Upload(name, to_png(_pixels(image, name), level=FAST))
    elif isinstance(image, np.ndarray):
        yield from (Upload(name, to_png(pixels, level=FAST)) for pixels in _split(image, name))
    else:
        raise InputError(
            f"{name} must be a path, the bytes of an image file, a NumPy array or a Pillow image, "
            f"got {type(image).__name__}"
        )


def _read(path: Path) -> Upload:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return Upload(os.fsencode(path.name).decode("utf-8", "replace"), content)


def _pixels(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """(H, W) or (H, W, 3), through the one image path."""
    try:
        return np.asarray(upright(image), dtype=np.uint8)
    except DAMAGE as error:  # Pillow reads its file only now
        raise InputError(f"{name}: the image is damaged: {error}") from error


def _split(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """(N, H, W, C) uint8."""
    if array.ndim not in (3, 4) or array.shape[-1] not in (1, 3) or not all(array.shape[-3:]):
        raise InputError(
            f"{name}: an array must have the shape (H, W, C) or (N, H, W, C) with C = 1 or 3, "
            f"got {array.shape}{_shape_hint(array)}"
        )
    batch = array if array.ndim == 4 else array[None]
    return batch if batch.dtype == np.uint8 else _to_bytes(batch, name)


def _shape_hint(array: NDArray[Any]) -> str:
    if array.ndim == 2:
        return "; a grey image needs its channel: array[..., None]"
    if array.ndim in (3, 4) and array.shape[-3] in (1, 3):
        return "; channels come last: transpose it"
    return ""


def _to_bytes(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Pixels in [0, 1] as the service rounds them: rint(255·x)."""
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"{name}: an array must be uint8, or float in [0, 1], got {array.dtype}")
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if not (low >= 0 and high <= 1):  # so that NaN fails too
        hint = "; for bytes: array.astype(numpy.uint8)" if low >= 0 and 1 < high <= 255 else ""
        raise InputError(f"{name}: an array of floats must lie in [0, 1], got {low:g} to {high:g}{hint}")
    return np.rint(array * np.float64(255)).astype(np.uint8)
