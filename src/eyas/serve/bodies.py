"""The body of a prediction request, whatever its kind, read within its limit and made into images.

application/json            {"data": …}: see `eyas.serve.pixels`
multipart/form-data         image files, one or several parts
image/*, octet-stream       one image file
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.types import Message, Receive

from eyas.core.errors import InputError, UnsafeDataError
from eyas.core.schema import ServeConfig
from eyas.image import SERVED_FORMATS, ImagePolicy, open_image, to_array
from eyas.serve.pixels import Reader
from eyas.serve.problems import Problem

JSON = "application/json"
MULTIPART = "multipart/form-data"
FILES = ("image/*", "application/octet-stream")
ACCEPTED = (JSON, MULTIPART, *FILES)

Images = NDArray[np.uint8]
"""(N, H, W, C) uint8, N ≥ 1."""


@dataclass(frozen=True)
class BodyReader:
    """Reads request bodies for one model, within the limits of `config`."""

    policy: ImagePolicy
    config: ServeConfig

    async def read(self, request: Request) -> Callable[[], Images]:
        """Take the whole body in, and leave the decoding to the caller's worker thread.

        Returns:
            What decodes the body; it raises InputError or UnsafeDataError where the content breaks a rule. All the
            images of one body share `max_pixels`.

        Raises:
            Problem: 413, the body is above the limit; 415, of a kind not accepted; 400, a malformed form.
        """
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if (encoding := request.headers.get("content-encoding", "identity")) != "identity":
            raise Problem(415, f"the body must be sent as it is, got Content-Encoding: {encoding}")
        limit = int(self.config.max_body_mb * 1_000_000)
        limited = Request(request.scope, _limited(request, limit))
        if media_type == JSON:
            body = await limited.body()
            return lambda: Reader(self.policy, self.config.max_images).read(body)
        if media_type == MULTIPART:
            parts = await self._parts(limited)
            return lambda: self._form(parts)
        if media_type.startswith("image/") or media_type == FILES[1]:
            body = await limited.body()
            return lambda: self._decode(body, self.config.max_pixels)[0][None]
        raise Problem(415, _not_accepted(media_type), headers={"Accept": ", ".join(ACCEPTED)})

    async def _parts(self, request: Request) -> list[tuple[str, bytes]]:
        """(what to call it, content) of each file part."""
        most = self.config.max_images
        async with request.form(max_files=most, max_fields=most) as form:
            parts = []
            for name, value in form.multi_items():
                if not isinstance(value, UploadFile):
                    raise InputError(f"the part {name} must be an image file, got text (curl: -F '{name}=@image.png')")
                parts.append((f"the part {name} ({value.filename or 'no file name'})", await value.read()))
        if not parts:
            raise InputError("the form must hold at least one image file, got none")
        return parts

    def _form(self, parts: list[tuple[str, bytes]]) -> Images:
        """The images of a form; each may have the pixels that those before it have left of `max_pixels`."""
        images: list[Images] = []
        left = self.config.max_pixels
        for name, content in parts:
            try:
                image, pixels = self._decode(content, left)
            except InputError as error:
                raise InputError(f"{name}: {error}") from error
            except UnsafeDataError as error:
                share = f", of {self.config.max_pixels:,} for the whole form" if images else ""
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


def _limited(request: Request, limit: int) -> Receive:
    """The request's `receive`, which raises as soon as more than `limit` bytes are announced or have come."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    come = 0

    async def receive() -> Message:
        nonlocal come
        message = await request.receive()
        come += len(message.get("body", b""))
        if come > limit:
            raise _too_large(limit)
        return message

    return receive


def _too_large(limit: int) -> Problem:
    # The rest of the body is not read, so the connection cannot serve another request.
    return Problem(
        413, f"the body must be at most {limit:,} bytes (serve.max_body_mb)", headers={"Connection": "close"}
    )


def _not_accepted(media_type: str) -> str:
    got = media_type or "none"
    hint = ""
    if media_type == "application/x-www-form-urlencoded":
        hint = "; curl -d sends that unless told otherwise: add -H 'Content-Type: application/json'"
    return f"Content-Type must be one of {', '.join(ACCEPTED)}, got {got}{hint}"
