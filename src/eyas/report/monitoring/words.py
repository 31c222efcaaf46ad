"""The words of drift reports and their pictures; times, spans and streams in words."""

from __future__ import annotations

from datetime import UTC, datetime

from eyas.core.language import Phrases, phrases_beside

words = phrases_beside(__file__)
"""Drift reports' phrases, by language."""
UNITS = (("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))


def say_moment(at: float | datetime, say: Phrases) -> str:
    """A moment, unix seconds or a datetime, to the second, in UTC."""
    when = at.astimezone(UTC) if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    return when.strftime(say("moment"))


def say_span(seconds: float, say: Phrases) -> str:
    """A span of time in its largest unit that goes into it."""
    unit, size = next((unit, size) for unit, size in UNITS if seconds >= size or size == 1)
    return say(f"span.{unit}", count=round(seconds / size))


def say_streams(names: tuple[str, ...], say: Phrases) -> str:
    """What an alarm was told by."""
    return ", ".join(_say_stream(name, say) for name in names)


def _say_stream(name: str, say: Phrases) -> str:
    """`pixel mean 0` is the first channel's."""
    kind, _, channel = name.rpartition(" ")
    return say(f"stream.{kind}", channel=int(channel) + 1) if channel.isdigit() else say(f"stream.{name}")
