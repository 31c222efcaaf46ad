"""What a handler gives back."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec

JSON = "application/json"
LEFT = 499  # in logs and metrics: the client has left before its answer; nginx's number


class Answer(msgspec.Struct):
    """A response: its body whole, or in pieces."""

    body: bytes = b""
    status: int = 200
    media_type: str = JSON
    headers: dict[str, str] = {}
    """`Connection: close` where the connection cannot serve another request."""
    pieces: AsyncGenerator[bytes, None] | None = None
    """In place of `body`: sent one after the other as they come."""


def json_answer(value: object) -> Answer:
    """A msgspec struct, or plain values, as JSON in UTF-8."""
    return Answer(msgspec.json.encode(value))
