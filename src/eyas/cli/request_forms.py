"""Images as each body that `POST /predict` accepts."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import perf_counter
from typing import Any
from urllib.request import Request

import numpy as np
from numpy.typing import NDArray

from eyas.cli.local_server import DIRECT
from eyas.image import to_png

Images = NDArray[np.uint8]
Body = tuple[str, bytes]
"""Content type and body."""

BOUNDARY = "eyas-form-boundary"


def _json(pixels: Any, **more: Any) -> Body:
    return "application/json", json.dumps({"data": pixels, **more}).encode()


def _multipart(images: Images) -> Body:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{{}}.png"\r\n'
    head += "Content-Type: image/png\r\n\r\n"
    parts = [head.format(index).encode() + to_png(image) + b"\r\n" for index, image in enumerate(images)]
    return f"multipart/form-data; boundary={BOUNDARY}", b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


FORMS: dict[str, Callable[[Images], Body]] = {
    "JSON, one flat image": lambda images: _json((images[0] / 255).ravel().tolist()),
    "JSON, flat images": lambda images: _json((images / 255).reshape(len(images), -1).tolist()),
    "JSON, one H×W grey image": lambda images: _json((images[0, ..., 0] / 255).tolist()),
    "JSON, one H×W×C image": lambda images: _json((images[0] / 255).tolist()),
    "JSON, N×H×W×C images": lambda images: _json((images / 255).tolist()),
    'JSON, bytes ("range": 255)': lambda images: _json(images.tolist(), range=255),
    "multipart, PNG files": _multipart,
    "raw body, one PNG": lambda images: ("image/png", to_png(images[0])),
}


def send(url: str, body: Body) -> tuple[dict[str, Any], float]:
    """POST; the JSON answer, and the milliseconds it took."""
    content_type, content = body
    started = perf_counter()
    with DIRECT.open(Request(url, content, {"Content-Type": content_type}), timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
    return answer, 1000 * (perf_counter() - started)


def get(url: str) -> dict[str, Any]:
    """GET a JSON answer."""
    with DIRECT.open(url, timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
    return answer
