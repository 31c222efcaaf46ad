"""What a handler gives back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec

JSON = "application/json"


@dataclass(slots=True)
class Answer:
    """A response: its body whole, or in pieces."""

    body: bytes = b""
    status: int = 200
    media_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    pieces: AsyncIterator[bytes] | None = None
    """In place of `body`: sent one after the other as they come."""


def json_answer(value: object, status: int = 200) -> Answer:
    """A msgspec struct, or plain values, as JSON in UTF-8."""
    return Answer(msgspec.json.encode(value), status)
