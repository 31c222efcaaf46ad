"""When a server that is overloaded asks to be tried again."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite


def read_retry_after(text: str) -> float | None:
    """Seconds from now of a Retry-After (RFC 9110, 10.2.3): a number of seconds or an HTTP date; None where neither."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text)
        return seconds if isfinite(seconds) else None
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
