"""The decoders that are compared: bytes of a JPEG or PNG file → (H, W, 3) uint8, RGB, with one thread."""

from __future__ import annotations

import io
import os
from collections.abc import Callable

os.environ["VIPS_CONCURRENCY"] = "1"  # read when libvips is loaded

import cv2
import imagecodecs
import numpy as np
import pyvips
import simplejpeg
from PIL import Image

from eyas.image import SERVED_FORMATS, open_image

Decode = Callable[[bytes], np.ndarray]
cv2.setNumThreads(1)


def eyas(content: bytes) -> np.ndarray:
    """As the service does: header and pixels checked, upright, in RGB."""
    return np.asarray(open_image(content, formats=SERVED_FORMATS))


def pillow(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def opencv(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)


def vips(content: bytes) -> np.ndarray:
    return pyvips.Image.new_from_buffer(content, "", access="sequential").numpy()


DECODERS: dict[str, dict[str, Decode]] = {
    "jpeg": {
        "eyas": eyas,
        "pillow": pillow,
        "opencv": opencv,
        "simplejpeg": simplejpeg.decode_jpeg,
        "imagecodecs": imagecodecs.jpeg8_decode,
        "vips": vips,
    },
    "png": {"eyas": eyas, "pillow": pillow, "opencv": opencv, "imagecodecs": imagecodecs.png_decode, "vips": vips},
}
