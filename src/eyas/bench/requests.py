"""Requests as the bytes that go over the wire, made once: what a client spends on them is not the server's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import ConfigError
from eyas.image import to_png

Body = Literal["json", "file"]
PATH = "/predict"


@dataclass(frozen=True)
class Target:
    """Where a server is."""

    host: str
    port: int
    prefix: str = ""
    """Of its paths, without the last slash."""
    secure: bool = False
    """Over TLS."""


def parse_url(url: str) -> Target:
    """The server at an address such as `http://127.0.0.1:5000`.

    Raises:
        ConfigError: it is no such address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"--url must be an address such as http://127.0.0.1:5000, got {url}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(f"--url must be an address such as http://127.0.0.1:5000, got {url}")
    secure = parts.scheme == "https"
    return Target(parts.hostname, port or (443 if secure else 80), parts.path.rstrip("/"), secure)


def make_requests(target: Target, images: NDArray[np.uint8], body: Body, token: str = "") -> tuple[bytes, ...]:
    """One request an image.

    Args:
        images: (N, H, W, C) uint8.
        body: `json`, the pixels as numbers from 0 to 255; or `file`, a PNG file.
        token: sent as a bearer token where it is not empty.

    Raises:
        ConfigError: the token cannot be sent.
    """
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ConfigError("the token must be printable ASCII without spaces")
    bodies = (_json(image) if body == "json" else ("image/png", to_png(image)) for image in images)
    return tuple(_request(target, media_type, content, token) for media_type, content in bodies)


def _json(image: NDArray[np.uint8]) -> tuple[str, bytes]:
    value: dict[str, Any] = {"data": image.tolist(), "range": 255}
    return "application/json", json.dumps(value, separators=(",", ":")).encode()


def _request(target: Target, media_type: str, body: bytes, token: str) -> bytes:
    host = f"[{target.host}]" if ":" in target.host else target.host
    lines = [
        f"POST {target.prefix}{PATH} HTTP/1.1",
        f"Host: {host}:{target.port}",
        f"Content-Type: {media_type}",
        f"Content-Length: {len(body)}",
        *([f"Authorization: Bearer {token}"] if token else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
