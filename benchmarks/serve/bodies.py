"""One image as a request body, in each dialect that a peer speaks, and how to read its answer."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from models import Served
from PIL import Image

JSON = {"Content-Type": "application/json"}
OCTETS = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True)
class Body:
    """A POST request, the same every time."""

    path: str
    content: bytes
    headers: dict[str, str]
    read: Callable[[bytes, dict[str, str]], object] = field(repr=False)
    """(content, headers in lower case) of a 200 → its probabilities, flat or nested."""


def simple(path: str, key: str, model: Served, extra: dict[str, object] | None = None) -> Body:
    """{key: the image as nested lists of whole numbers} → {"probabilities": …}."""
    content = json.dumps({key: model.image.tolist(), **(extra or {})}).encode()
    return Body(path, content, JSON, lambda body, headers: json.loads(body)["probabilities"])


def octets(path: str, model: Served) -> Body:
    """The image's bytes, row by row, → {"probabilities": …}."""
    return Body(path, model.image.tobytes(), OCTETS, lambda body, headers: json.loads(body)["probabilities"])


def png(path: str, model: Served) -> Body:
    """An image file → {"probabilities": …}."""
    buffer = io.BytesIO()
    Image.fromarray(model.image.squeeze()).save(buffer, "png")
    headers = {"Content-Type": "image/png"}
    return Body(path, buffer.getvalue(), headers, lambda body, headers: json.loads(body)["probabilities"])


def open_json(path: str, model: Served) -> Body:
    """The Open Inference Protocol, tensors as JSON."""
    tensor = {**_tensor(model), "data": model.image.ravel().tolist()}
    content = json.dumps({"inputs": [tensor], "outputs": [{"name": "probabilities"}]}).encode()
    return Body(path, content, JSON, lambda body, headers: json.loads(body)["outputs"][0]["data"])


def open_binary(path: str, model: Served) -> Body:
    """The Open Inference Protocol's binary tensor extension, both ways."""
    pixels = model.image.tobytes()
    tensor = {**_tensor(model), "parameters": {"binary_data_size": len(pixels)}}
    asked = {"name": "probabilities", "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [tensor], "outputs": [asked]}).encode()
    headers = OCTETS | {"Inference-Header-Content-Length": str(len(head))}
    return Body(path, head + pixels, headers, _read_binary)


def _tensor(model: Served) -> dict[str, object]:
    return {"name": "images", "shape": [1, *model.image.shape], "datatype": "UINT8"}


def _read_binary(body: bytes, headers: dict[str, str]) -> object:
    return np.frombuffer(body[int(headers["inference-header-content-length"]) :], np.float32)
