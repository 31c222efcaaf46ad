"""How long is waited, and what is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from math import inf

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
