"""The ONE path from an encoded image to a `uint8` array, taken in training and in serving alike.

bytes ─ header checked ─ decoded ─ upright (EXIF) ─ grey or RGB ─ resized ─► (H, W, C) uint8
"""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from eyas.core.errors import InputError, UnsafeDataError
from eyas.core.marks import IMAGES

MAX_PIXELS = 50_000_000
# What a service accepts: formats whose decoders are widely fuzzed.
SERVED_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
Image.init()
READ_FORMATS = tuple(kind for kind in IMAGES if kind in Image.OPEN)  # AVIF came with Pillow 11.3
SUFFIXES = frozenset(suffix for kind in READ_FORMATS for suffix in IMAGES[kind])
JUNK = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
# What Pillow's decoders raise on damaged files.
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    TypeError,
    OverflowError,
    NotImplementedError,
    struct.error,
)
PNG = "image/png"
PNG_LEVEL = 6  # Pillow's own default
WHITE = (255, 255, 255, 255)

# Pillow warns of bombs, which are refused here, and of odd metadata. One filter for the process: `catch_warnings`
# around each image would not be safe between threads.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class ImagePolicy:
    """What an image becomes: `height` × `width` pixels, 1 (grey) or 3 (RGB) channels, and the way of resizing."""

    height: int
    width: int
    channels: Literal[1, 3]
    resize: Literal["stretch", "crop", "pad"] = "stretch"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return self.height, self.width, self.channels


def is_junk(path: str | PurePath) -> bool:
    """Whether the file, or a folder of the path, is hidden or was left by a file manager.

    Args:
        path: with forward slashes, relative to the folder that is searched: what lies above it does not count.
    """
    text = path if isinstance(path, str) else path.as_posix()
    return any((part.startswith(".") and part not in (".", "..")) or part in JUNK for part in text.split("/"))


def is_image_path(path: str | PurePath) -> bool:
    """Whether the name is that of an image: a suffix of `READ_FORMATS`, and not `is_junk`.

    Args:
        path: as for `is_junk`.
    """
    text = path if isinstance(path, str) else path.as_posix()
    return text[text.rfind(".") :].lower() in SUFFIXES and not is_junk(text)


def open_image(
    source: bytes | Path, *, max_pixels: int = MAX_PIXELS, formats: tuple[str, ...] = READ_FORMATS
) -> Image.Image:
    """Decode an image, upright, in mode `L` (8-bit grey) or `RGB`.

    The size is read from the header first. Of several frames the first is taken. Transparent pixels are
    laid on white. 16-bit grey keeps its high byte.

    Args:
        source: the encoded image, or its file.
        max_pixels: an image with more is refused before it is decoded.
        formats: Pillow's names of the formats allowed.

    Raises:
        UnsafeDataError: more than `max_pixels`.
        InputError: no image, a format that is not allowed, or a damaged one.
    """
    try:
        with _header(source, max_pixels, formats) as image:
            return upright(image)
    except UnidentifiedImageError:
        raise InputError(f"not an image in a known format (allowed: {', '.join(formats)})") from None
    except Image.DecompressionBombError as error:  # Pillow's own limit, in the header or found while decoding
        raise UnsafeDataError(f"the image has too many pixels; at most {max_pixels:,} are decoded") from error
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:  # the file system's error, not the decoder's
            raise InputError(f"cannot be read: {error.strerror}") from error
        raise InputError(f"the image is damaged: {error}") from error


def upright(image: Image.Image) -> Image.Image:
    """A Pillow image as `open_image` gives it: turned as its EXIF says, in mode `L` or `RGB`.

    Raises:
        one of DAMAGE: its file is read only now, and damaged.
    """
    return _flatten(ImageOps.exif_transpose(image))


def count_pixels(content: bytes, formats: tuple[str, ...] = READ_FORMATS) -> int:
    """How many pixels an encoded image says that it has, by its header alone; 0 where it is no image."""
    try:
        with Image.open(io.BytesIO(content), formats=formats) as image:
            return image.width * image.height
    except (UnidentifiedImageError, Image.DecompressionBombError, *DAMAGE):
        return 0


def to_array(image: Image.Image, policy: ImagePolicy) -> NDArray[np.uint8]:
    """The image as the network takes it.

    Returns:
        (H, W, C) uint8, by `policy`. Bilinear with antialiasing (Pillow's `BILINEAR`) where the size changes.
    """
    converted = image if image.mode == _mode(policy.channels) else image.convert(_mode(policy.channels))
    pixels = np.asarray(_resize(converted, policy), dtype=np.uint8)
    return pixels.reshape(policy.shape)


def read_image(
    source: bytes | Path,
    policy: ImagePolicy,
    *,
    max_pixels: int = MAX_PIXELS,
    formats: tuple[str, ...] = READ_FORMATS,
) -> NDArray[np.uint8]:
    """`open_image`, then `to_array`."""
    return to_array(open_image(source, max_pixels=max_pixels, formats=formats), policy)


def from_pixels(pixels: NDArray[np.uint8], policy: ImagePolicy) -> NDArray[np.uint8]:
    """Bring decoded pixels to the policy's size and channels.

    Args:
        pixels: (h, w, c) uint8, c = 1 or 3.

    Returns:
        (H, W, C) uint8; the argument itself where nothing has to change.
    """
    if pixels.shape == policy.shape:
        return pixels
    return to_array(Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels), policy)


def to_png(pixels: NDArray[np.uint8], *, level: int = PNG_LEVEL) -> bytes:
    """A PNG file, which loses nothing.

    Args:
        pixels: (H, W), (H, W, 1), (H, W, 3) or, with opacity, (H, W, 4) uint8.
        level: zlib's, 0 to 9; higher ones take longer and give fewer bytes.
    """
    buffer = io.BytesIO()
    grey = pixels.ndim == 3 and pixels.shape[-1] == 1
    Image.fromarray(pixels[..., 0] if grey else pixels).save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


def _header(source: bytes | Path, max_pixels: int, formats: tuple[str, ...]) -> Image.Image:
    """Open without decoding; the caller closes it."""
    stream: Any = io.BytesIO(source) if isinstance(source, bytes) else source
    image = Image.open(stream, formats=formats)
    width, height = image.size
    if width * height > max_pixels:
        image.close()
        raise UnsafeDataError(f"the image has {width}×{height} pixels; at most {max_pixels:,} are decoded")
    return image


def _flatten(image: Image.Image) -> Image.Image:
    """Mode `L` or `RGB`, transparency laid on white. `image` is decoded and not shared."""
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode.startswith("I"):  # 16-bit grey: PNG gives I;16, some files I with 16-bit values
        high = np.asarray(image) >> 8  # uint16 or int32, as stored
        return Image.fromarray(np.clip(high, 0, 255, out=high).astype(np.uint8))
    if image.mode in ("LA", "La", "RGBA", "RGBa", "PA", "P") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", rgba.size, WHITE), rgba)
        return flat.convert("L" if image.mode in ("L", "LA", "La") else "RGB")
    return image.convert("RGB")  # CMYK, YCbCr, LAB, HSV, F


def _mode(channels: int) -> str:
    return "L" if channels == 1 else "RGB"


def _resize(image: Image.Image, policy: ImagePolicy) -> Image.Image:
    size = (policy.width, policy.height)
    if image.size == size:
        return image
    if policy.resize == "crop":
        return ImageOps.fit(image, size, Image.Resampling.BILINEAR)
    if policy.resize == "pad":
        return ImageOps.pad(image, size, Image.Resampling.BILINEAR, color=0)
    return image.resize(size, Image.Resampling.BILINEAR)
