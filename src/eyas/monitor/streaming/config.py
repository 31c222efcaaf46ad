"""How much a monitor may err and remember."""

from __future__ import annotations

from dataclasses import dataclass

from eyas.core.errors import ConfigError


@dataclass(frozen=True)
class MonitorConfig:
    """Of one monitor."""

    false_alarms: float = 0.01
    """The chance of an alarm without drift: in `horizon` requests."""
    horizon: int = 10_000
    remembered: int = 512
    """Requests that an alarm can look back on."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.false_alarms < 1:
            raise ConfigError(f"false_alarms must lie between 0 and 1, got {self.false_alarms}")
        for name in ("horizon", "remembered"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
