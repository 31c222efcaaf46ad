"""How long is waited, and what is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf, isfinite

from eyas.core.errors import ConfigError

BACKOFF_SECONDS = 0.2
LONGEST_BACKOFF = 5.0


@dataclass(frozen=True)
class Patience:
    """Of every call."""

    timeout: float = 30.0
    """Seconds for the whole call, all its tries and the waits between them."""
    connect_timeout: float = 5.0
    """Seconds for a connection to be made, in each try."""
    tries: int = 3

    def __post_init__(self) -> None:
        for name in ("timeout", "connect_timeout"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 < value < inf):
                raise ConfigError(f"{name} must be a number of seconds above 0, got {value!r}")
        if not isinstance(self.tries, int) or self.tries < 1:
            raise ConfigError(f"tries must be an integer from 1, got {self.tries!r}")

    def pause(self, tried: int, asked: float | None = None) -> float:
        """Seconds before the next try: what the service asks for, and a random part of a doubling wait on top.

        Args:
            tried: how often.
            asked: its Retry-After.
        """
        longest = min(LONGEST_BACKOFF, BACKOFF_SECONDS * 2 ** (tried - 1))
        return (asked or 0.0) + random.uniform(0, longest)


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
