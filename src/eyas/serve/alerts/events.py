"""One structure for all that is told: the body of a webhook's request, and what an alert of Alertmanager is made of."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Literal, TypeAlias, cast

import msgspec

Condition: TypeAlias = Literal["drift", "low_accuracy", "store_trouble"]
"""What begins, goes on and is over."""
Kind: TypeAlias = Literal[
    "drift", "drift_over", "low_accuracy", "low_accuracy_over", "store_trouble", "store_trouble_over", "rollout"
]
Severity: TypeAlias = Literal["ticket", "info"]
Who: TypeAlias = tuple[str | None, str | None]
"""A model and its version; two times None is the whole service."""
OVER = "_over"


class Event(msgspec.Struct, frozen=True):
    """Something that people may want to hear of."""

    id: str
    """The same, however often it is sent: 16 hexadecimal digits."""
    event: Kind
    severity: Severity
    service: str
    """Host and port."""
    model: str | None
    """None: it is of the whole service."""
    version: str | None
    time: str
    """When it was noticed, or when a rollout moved: ISO 8601, UTC."""
    since: str
    """When what it tells of began."""
    summary: str
    """In words."""
    text: str
    """The summary with the service's name, for receivers that show one text, such as Slack's."""
    details: dict[str, Any]
    """By kind."""

    @property
    def who(self) -> Who:
        """What it is of."""
        return self.model, self.version

    @property
    def over(self) -> bool:
        """Whether it ends a condition."""
        return self.event.endswith(OVER)

    @property
    def condition(self) -> str:
        """That it begins or ends; `rollout` of a move."""
        return self.event.removesuffix(OVER)


def event(
    kind: Kind,
    service: str,
    who: Who,
    summary: str,
    details: dict[str, Any],
    *,
    time: str,
    since: str = "",
    severity: Severity = "info",
    key: str = "",
) -> Event:
    """An event with its id.

    Args:
        time: ISO 8601.
        since: `time` where left out.
        key: what tells it from others of its kind, model and version; `since` where left out.
    """
    model, version = who
    since = since or time
    named = "\n".join((kind, service, model or "", version or "", key or since))
    name = hashlib.sha256(named.encode()).hexdigest()[:16]
    text = f"[{service}] {summary}"
    return Event(name, kind, severity, service, model, version, time, since, summary, text, details)


def ended(began: Event, summary: str, now: str) -> Event:
    """The end of a condition.

    Args:
        began: what told of its beginning.
        now: ISO 8601.
    """
    kind = cast(Kind, f"{began.event}{OVER}")
    return event(kind, began.service, began.who, summary, began.details, time=now, since=began.since, key=began.id)


def about(condition: str, who: Who) -> str:
    """What a condition is known by: there is one of a kind for each version."""
    return " ".join((condition, *(part or "" for part in who)))


def seconds_of(text: str) -> float:
    """What `core.moments.iso` was given, to the second."""
    return datetime.fromisoformat(text).timestamp()
