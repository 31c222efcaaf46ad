"""Moments as text: ISO 8601 in UTC, to the second."""

from __future__ import annotations

from datetime import UTC, datetime
from time import time


def iso(seconds: float | None = None) -> str:
    """A moment as `2026-03-01T12:00:00+00:00`; now where none is given.

    Args:
        seconds: since 1970.
    """
    return datetime.fromtimestamp(time() if seconds is None else seconds, UTC).isoformat(timespec="seconds")
