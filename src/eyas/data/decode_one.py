"""One encoded image to pixels, what it was, and what was wrong with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import InputError, UnsafeDataError
from eyas.image import ImagePolicy, open_image, to_array

EncodedRow = tuple[int, bytes | Path]
"""A row and its encoded image."""


@dataclass(frozen=True)
class DecodeSettings:
    """What is to be done with each image."""

    max_pixels: int
    policy: ImagePolicy | None
    """What the pixels are brought to; None: only look, return no pixels."""
    fixed_size: bool = True
    """Whether another size is resized; else such an image yields no pixels."""
    fixed_channels: bool = True
    """Whether a coloured image is made grey for a grey policy; else it yields no pixels."""


@dataclass(frozen=True)
class Failure:
    """Why an image could not be read."""

    message: str
    unsafe: bool = False
    """Whether it was refused before decoding (too many pixels)."""
    lasting: bool = True
    """Whether the file itself is to blame: memory and permissions may be another matter next time."""


@dataclass(frozen=True)
class DecodedImage:
    """One image: what it was, and what it became."""

    row: int
    size: tuple[int, int] = (0, 0)
    """Height, width as stored (upright)."""
    grey: bool = False
    digest: bytes = b""
    """SHA-256 of the decoded pixels before any resizing (`image_digest`)."""
    pixels: bytes | None = None
    """By the settings' policy, row-major (H, W, C)."""
    pixels_digest: bytes = b""
    """SHA-256 of `pixels`."""
    failure: Failure | None = None


def image_digest(pixels: NDArray[np.uint8]) -> bytes:
    """SHA-256 (32 bytes) of the shape and pixels of one image (H, W, C) uint8."""
    made = hashlib.sha256("×".join(map(str, pixels.shape)).encode())
    made.update(np.ascontiguousarray(pixels).data)
    return made.digest()


def decode_batch(batch: list[EncodedRow], settings: DecodeSettings) -> list[DecodedImage]:
    """Decode each image, in order. A damaged one is a `failure`, not an exception."""
    return [_decode(row, content, settings) for row, content in batch]


def _decode(row: int, content: bytes | Path, settings: DecodeSettings) -> DecodedImage:
    try:
        encoded = content if isinstance(content, bytes) else content.read_bytes()  # faster than Pillow's small reads
        image = open_image(encoded, max_pixels=settings.max_pixels)
    except (InputError, UnsafeDataError) as error:
        return DecodedImage(row, failure=Failure(str(error), unsafe=isinstance(error, UnsafeDataError)))
    except OSError as error:
        return DecodedImage(row, failure=Failure(f"the file cannot be read: {error.strerror}", lasting=False))
    except MemoryError:
        return DecodedImage(row, failure=Failure("not enough memory to decode it", lasting=False))
    grey = image.mode == "L"
    stored = np.asarray(image).reshape(image.height, image.width, 1 if grey else 3)
    digest = image_digest(stored)
    looked = DecodedImage(row, size=(image.height, image.width), grey=grey, digest=digest)
    policy = settings.policy
    if policy is None or not (settings.fixed_size or looked.size == (policy.height, policy.width)):
        return looked
    if not (settings.fixed_channels or grey or policy.channels == 3):
        return looked
    if stored.shape == policy.shape:
        return DecodedImage(row, looked.size, grey, digest, stored.tobytes(), digest)
    pixels = to_array(image, policy)
    return DecodedImage(row, looked.size, grey, digest, pixels.tobytes(), image_digest(pixels))
