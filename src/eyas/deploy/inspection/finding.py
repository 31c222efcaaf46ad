"""One thing that a deployment needs."""

from __future__ import annotations

from dataclasses import dataclass

TARGETS = ("image", "compose", "k8s", "cloudrun", "ecs", "azure")


@dataclass(frozen=True)
class Finding:
    """What was looked for, and what was found."""

    target: str
    """One of `TARGETS`; or `yours`, for what was named on the command line."""
    what: str
    ok: bool
    said: str
    """Where it is; or what mends it."""
