"""What there is to tell: the monitor's status, compared with what was told before."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import msgspec

from eyas.core.moments import iso
from eyas.serve.alerts.events import Condition, Event, Who, about, ended, event
from eyas.serve.alerts.memory import Memory
from eyas.serve.monitor_status import AlarmStatus, MonitorStatus, StoreStatus, VersionStatus, describe

TROUBLE_SECONDS = 10.0  # a database may be locked for a moment, or be well for one
LEFT_SECONDS = 30.0
SERVICE: Who = (None, None)


class Noticing:
    """Drift, accuracy and the store.

    Args:
        service: host and port.
        memory: of what was told; kept up to date here.
    """

    def __init__(self, service: str, memory: Memory) -> None:
        self._service, self._memory = service, memory
        self._troubled, self._turned = False, 0.0
        self._gone: dict[str, float] = {}  # what goes on of versions that are not served, by id, and since when

    def look(self, status: MonitorStatus, now: float) -> Iterator[Event]:
        """What has begun and what is over since the last look.

        Args:
            now: seconds since 1970.
        """
        for one in status.versions:
            yield from self._drift(one, now)
            yield from self._accuracy(one, status.store, now)
        yield from self._store(status.store, now)
        yield from self._left({(one.model, one.version) for one in status.versions}, now)

    def _drift(self, one: VersionStatus, now: float) -> Iterator[Event]:
        who = one.model, one.version
        name = " ".join(who)
        told = self._memory.alarms.get(name)
        fresh = [*takewhile(lambda alarm: _named(alarm) != told, one.alarms)]
        if told is None:  # the first look: what was over before is no news
            fresh = fresh[:1] if one.drift == "now" else []
        if told is None or one.alarms:
            self._memory.alarms[name] = _named(one.alarms[0]) if one.alarms else ""
        for alarm in reversed(fresh):
            yield from self._end("drift", who, "the drift is over", now)
            details = msgspec.to_builtins(alarm)
            yield self._begin("drift", who, describe(alarm), details, now, since=alarm.raised, key=_named(alarm))
        if one.drift != "now":
            yield from self._end("drift", who, "the drift is over", now)

    def _accuracy(self, one: VersionStatus, store: StoreStatus | None, now: float) -> Iterator[Event]:
        """Below all that the held-out images leave open: both intervals are of 95 %, one of them at every look."""
        who, known, tested = (one.model, one.version), one.feedback, one.tested
        if known is None or tested is None:
            return
        standing = self._memory.standing.get(about("low_accuracy", who))
        below = tested.place(known.lower, known.upper) == "below"
        if standing is None and below:
            summary = (
                f"accuracy is at most {known.upper:.1%} by {known.labels:,} labels, below the {tested.accuracy:.1%} "
                f"({tested.lower:.1%} to {tested.upper:.1%}) of the held-out images"
            )
            details = {"feedback": msgspec.to_builtins(known), "tested": msgspec.to_builtins(tested)}
            yield self._begin("low_accuracy", who, summary, details, now)
        elif standing and not below and store and store.labels_read:
            yield from self._end("low_accuracy", who, f"accuracy may be {known.upper:.1%} again", now)

    def _store(self, store: StoreStatus | None, now: float) -> Iterator[Event]:
        trouble = store.trouble if store else None
        if not self._turned or self._troubled != bool(trouble):
            self._troubled, self._turned = bool(trouble), now
        if now - self._turned < TROUBLE_SECONDS:
            return
        if not (store and trouble):
            yield from self._end("store_trouble", SERVICE, "predictions are stored again", now)
        elif about("store_trouble", SERVICE) not in self._memory.standing:
            summary = f"predictions cannot be stored in {store.place}: {trouble}"
            details = msgspec.to_builtins(store)
            yield self._begin("store_trouble", SERVICE, summary, details, now, since=iso(self._turned))

    def _left(self, served: set[tuple[str, str]], now: float) -> Iterator[Event]:
        """Conditions of versions that are no longer served; a service that starts loads them one after the other."""
        gone = [one for one in self._memory.standing.values() if one.who != SERVICE and one.who not in served]
        self._gone = {one.id: self._gone.get(one.id, now) for one in gone}
        for one in gone:
            if now - self._gone[one.id] >= LEFT_SECONDS:
                self._memory.alarms.pop(" ".join(map(str, one.who)), None)
                yield from self._end(one.event, one.who, "no longer served", now)

    def _begin(
        self,
        condition: Condition,
        who: Who,
        what: str,
        details: dict[str, Any],
        now: float,
        *,
        since: str = "",
        key: str = "",
    ) -> Event:
        summary, time = _of(who, what), iso(now)
        began = event(
            condition, self._service, who, summary, details, time=time, since=since, severity="ticket", key=key
        )
        self._memory.standing[about(condition, who)] = began
        return began

    def _end(self, condition: str, who: Who, why: str, now: float) -> Iterator[Event]:
        """Nothing, where it does not go on."""
        if began := self._memory.standing.pop(about(condition, who), None):
            yield ended(began, _of(who, why), iso(now))


def _of(who: Who, what: str) -> str:
    model, version = who
    return f"{model} {version}: {what}" if model else what


def _named(alarm: AlarmStatus) -> str:
    return f"{alarm.raised} {alarm.at}"
