"""The values that epochs are judged by; a module of its own, for programs that must not load the schema."""

from __future__ import annotations


def is_rising(monitor: str) -> bool:
    """Whether larger values are better: losses and the calibration error are to fall, all else to rise.

    Args:
        monitor: such as `eyas.core.schema.Monitor` names it.
    """
    return not monitor.endswith(("loss", "ece"))
