"""The body of a prediction request, whatever its kind, read within its limit and made into images.

application/json            {"data": …}: see `eyas.serve.reading.pixels`
multipart/form-data         image files, one or several parts
image/*, octet-stream       one image file
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import InputError, UnsafeDataError
from eyas.core.schema import ServeConfig
from eyas.image import SERVED_FORMATS, ImagePolicy, count_pixels, open_image, to_array
from eyas.serve.http import JSON, Request
from eyas.serve.reading.forms import read_form
from eyas.serve.reading.pixels import JsonReader

MULTIPART = "multipart/form-data"
FILES = ("image/*", "application/octet-stream")
ACCEPTED = (JSON, MULTIPART, *FILES)
# What reading costs, roughly, on one core: enough to tell what may be done at once from what takes a thread.
JSON_SECONDS_PER_BYTE = 15e-9
JSON_BYTES_PER_VALUE = 8
FILE_SECONDS_PER_BYTE = 10e-9
FILE_SECONDS_PER_PIXEL = 10e-9
FILE_LOOKED_INTO = 32_768  # bytes on the event loop: a header may be as long as its file, and 4 bytes may take 0.5 µs
FILES_SECONDS = 0.005  # at least, of files that are not looked into whole: they are decoded in a thread
FILES_SECONDS_PER_BYTE = 50e-9

Images = NDArray[np.uint8]
"""(N, H, W, C) uint8, N ≥ 1."""


@dataclass(frozen=True)
class Reading:
    """A body that has come whole, and is yet to be decoded."""

    seconds: float
    """What decoding will cost, roughly."""
    images: int
    """How many it holds, roughly."""
    decode: Callable[[], Images]
    """Raises InputError or UnsafeDataError where the content breaks a rule."""


@dataclass(frozen=True)
class BodyReader:
    """Reads request bodies for one model, within the limits of `config`."""

    policy: ImagePolicy
    config: ServeConfig

    async def read(self, request: Request) -> Reading:
        """Take the whole body in. All the images of one body share `max_pixels`.

        Raises:
            Problem: 413, the body is above the limit; 415, of a kind not accepted; 400, a malformed form.
        """
        media_type = request.require_type(*ACCEPTED)
        if media_type == JSON:
            body = await request.body()
            reader = JsonReader(self.policy, self.config.max_images)
            return self.numbers(len(body), lambda: reader.read(body))
        if media_type == MULTIPART:
            body = await request.body()
            content_type = request.header("content-type")
            return self.several(len(body), lambda: self._form(body, content_type))
        return self.file(await request.body())

    def numbers(self, size: int, decode: Callable[[], Images], images: int = 0) -> Reading:
        """Pixels in JSON.

        Args:
            size: in bytes.
            images: how many there are; 0: that is not known.
        """
        about = size // (JSON_BYTES_PER_VALUE * prod(self.policy.shape))
        return Reading(size * JSON_SECONDS_PER_BYTE, images or max(1, about), decode)

    def several(self, size: int, decode: Callable[[], Images]) -> Reading:
        """Image files, in `size` bytes."""
        return Reading(self._unseen(size), 1, decode)

    def file(self, content: bytes) -> Reading:
        """One image file."""
        pixels = count_pixels(content[:FILE_LOOKED_INTO], SERVED_FORMATS)  # a small file may hold many
        seconds = len(content) * FILE_SECONDS_PER_BYTE + pixels * FILE_SECONDS_PER_PIXEL
        if len(content) > FILE_LOOKED_INTO:
            seconds = max(seconds, FILES_SECONDS if pixels else self._unseen(len(content)))
        return Reading(seconds, 1, lambda: self._decode(content, self.config.max_pixels)[0][None])

    def _unseen(self, size: int) -> float:
        """Seconds that image files take of which nothing is known but how many bytes there are."""
        return max(FILES_SECONDS, size * FILES_SECONDS_PER_BYTE)

    def _form(self, body: bytes, content_type: str) -> Images:
        return self.files(read_form(body, content_type, self.config.max_images), "form")

    def files(self, named: Iterable[tuple[str, bytes]], whole: str) -> Images:
        """Several image files; each may have the pixels that those before it have left of `max_pixels`.

        Args:
            named: what to call each in an error, and its content; one or more.
            whole: what to call them all.

        Raises:
            InputError: a file is no image.
            UnsafeDataError: it has too many pixels.
        """
        images: list[Images] = []
        left = self.config.max_pixels
        for name, content in named:
            try:
                image, pixels = self._decode(content, left)
            except InputError as error:
                raise InputError(f"{name}: {error}") from error
            except UnsafeDataError as error:
                share = f", of {self.config.max_pixels:,} for the whole {whole}" if images else ""
                raise UnsafeDataError(f"{name}: {error}{share}") from error
            images.append(image)
            left -= pixels
        return np.stack(images)

    def _decode(self, content: bytes, max_pixels: int) -> tuple[Images, int]:
        """(H, W, C), and how many pixels the file held."""
        if not content:
            raise InputError("the image file is empty")
        image = open_image(content, max_pixels=max_pixels, formats=SERVED_FORMATS)
        return to_array(image, self.policy), image.width * image.height
