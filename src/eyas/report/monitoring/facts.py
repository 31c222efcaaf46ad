"""All that a drift report says, before it is put into words: from the monitor's folder and the prediction store.

Counts are made by the database, and of single predictions a bounded number is read: the store may hold millions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eyas.core.errors import ConfigError, DataError
from eyas.monitor.accuracy import ALPHA
from eyas.monitor.folder import KeptAlarm, KeptVersion, read_status, read_versions
from eyas.monitor.sequences import MeanSequence
from eyas.monitor.store import Bucket, ClassAccuracy, Confusion, Filter, PredictionStore, VersionTotals
from eyas.report.monitoring.changes import Begun, Change, begin, look_around

DAY = 86_400.0
DETAILED = 8
"""Alarms of a version that are shown with their images, the newest ones."""
SPANS = (1, 5, 10, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, DAY, 2 * DAY, 7 * DAY, 30 * DAY)
"""Seconds that one point of a figure stands for."""
MOST_POINTS, MOST_LABEL_POINTS = 60, 20


@dataclass(frozen=True)
class Asked:
    """What a report is to be about; None asks nothing."""

    days: float | None = None
    """The last ones."""
    model: str | None = None
    version: str | None = None

    def __post_init__(self) -> None:
        if self.days is not None and not self.days > 0:
            raise ConfigError(f"--days must be above 0, got {self.days:g}")


@dataclass(frozen=True)
class Accuracy:
    """Of labelled predictions."""

    labels: int
    right: int
    low: float
    """With `high`: a confidence sequence at 95 %."""
    high: float

    @property
    def share(self) -> float:
        """Of right ones."""
        return self.right / self.labels


@dataclass(frozen=True)
class Series:
    """Counts over time."""

    span: float
    """Seconds."""
    buckets: Sequence[Bucket]
    """Those spans that hold predictions."""


@dataclass(frozen=True)
class VersionFacts:
    """One version in the time that is looked at."""

    kept: KeptVersion
    totals: VersionTotals | None
    """None where the store has no predictions of it."""
    traffic: Series
    labelled: Series
    accuracy: Accuracy | None
    """None without labels."""
    accuracy_since: Accuracy | None
    """Since the last change began; None where there was none, or no labels."""
    by_class: Sequence[ClassAccuracy]
    confused: Sequence[Confusion]
    """The most frequent first."""
    alarms: Sequence[Begun]
    """The oldest first."""
    changes: Sequence[Change]
    """Of the last alarms."""

    @property
    def tested(self) -> bool:
        """Whether its predictions are compared with anything."""
        return self.kept.state is not None or bool(self.kept.about and self.kept.about.held_out)

    def class_name(self, index: int) -> str:
        """Of a class; its index where nobody has kept the names."""
        return self.kept.about.classes[index] if self.kept.about else str(index)

    @property
    def against_held_out(self) -> str | None:
        """Its accuracy since the last change: `below`, `above` or `within` what the test images leave open."""
        about, found = self.kept.about, self.accuracy_since or self.accuracy
        if about is None or about.tested is None or found is None:
            return None
        return about.tested.place(found.low, found.high)


@dataclass(frozen=True)
class MonitorFacts:
    """What a service's monitor has found."""

    folder: Path
    store: str
    """Its place, without a password."""
    versions: Sequence[VersionFacts]
    """Those that answered last first."""
    status: Mapping[str, Any]
    """What `GET /monitor` said last; empty where it is not known."""

    @property
    def predictions(self) -> int:
        """In the store, of this time."""
        return sum(one.totals.predictions for one in self.versions if one.totals)

    @property
    def period(self) -> tuple[float, float]:
        """Unix seconds: from the first to the last prediction or alarm."""
        moments = [at for one in self.versions if one.totals for at in (one.totals.first, one.totals.last)]
        moments += [found.alarm.raised.timestamp() for one in self.versions for found in one.alarms]
        return min(moments), max(moments)


def gather(folder: Path, store: PredictionStore, asked: Asked, now: float) -> MonitorFacts:
    """Look at a folder and the store of its service.

    Args:
        folder: `serve.monitor.folder`.
        store: of the same service.
        asked: which part.
        now: unix seconds.

    Raises:
        DataError: there are neither predictions nor alarms, or a file is damaged.
        StoreError: the database cannot be used.
    """
    since = None if asked.days is None else now - DAY * asked.days
    where = Filter(model=asked.model, version=asked.version, since=since, until=now)
    totals = {(one.model, one.version): one for one in store.totals_by_version(where)}
    kept = {(one.model, one.version): one for one in read_versions(folder) if _is_asked(one, asked)}
    found = []
    for who in {**totals, **kept}:
        version = kept.get(who) or KeptVersion(*who, None, None, ())
        alarms = _alarms_since(version, since)
        if who in totals or alarms:
            found.append(
                _look_at(store, version, totals.get(who), alarms, replace(where, model=who[0], version=who[1]))
            )
    if not found:
        raise DataError(f"{folder} must hold predictions or alarms to report on, has none{_of(asked)}")
    found.sort(key=lambda one: -one.totals.last if one.totals else 0.0)
    return MonitorFacts(folder, store.where, found, read_status(folder))


def _look_at(
    store: PredictionStore,
    version: KeptVersion,
    totals: VersionTotals | None,
    alarms: Sequence[KeptAlarm],
    mine: Filter,
) -> VersionFacts:
    by_class = store.accuracy_by_class(mine)
    confused = sorted(store.confusion(replace(mine, correct=False)), key=lambda pair: -pair.count)
    begun = [begin(store, alarm, mine) for alarm in alarms]
    return VersionFacts(
        kept=version,
        totals=totals,
        traffic=_series(store, totals, mine, MOST_POINTS),
        labelled=_series(store, totals, replace(mine, labelled=True), MOST_LABEL_POINTS) if by_class else Series(1, ()),
        accuracy=_accuracy(by_class),
        accuracy_since=_accuracy(_by_class_since(store, begun, mine)),
        by_class=by_class,
        confused=confused,
        alarms=begun,
        changes=look_around(store, begun[-DETAILED:], mine, version.about),
    )


def _series(store: PredictionStore, totals: VersionTotals | None, mine: Filter, most: int) -> Series:
    """In spans so long that there are at most about `most`."""
    if totals is None:
        return Series(1, ())
    whole = totals.last - totals.first
    span = next((span for span in SPANS if whole <= span * most), SPANS[-1])
    return Series(float(span), store.buckets(span, mine))


def bounds(right: int, labels: int) -> tuple[float, float]:
    """What the share of right ones may be, with 95 % confidence at every look (Waudby-Smith & Ramdas 2024)."""
    sequence = MeanSequence(ALPHA)
    sequence.update(right, labels)
    return sequence.interval()


def _by_class_since(store: PredictionStore, begun: Sequence[Begun], mine: Filter) -> Sequence[ClassAccuracy]:
    if not begun or begun[-1].at is None:
        return ()
    return store.accuracy_by_class(replace(mine, since=max(begun[-1].at, mine.since or 0.0)))


def _accuracy(by_class: Sequence[ClassAccuracy]) -> Accuracy | None:
    labels = sum(one.labelled for one in by_class)
    right = sum(one.correct for one in by_class)
    return Accuracy(labels, right, *bounds(right, labels)) if labels else None


def _alarms_since(version: KeptVersion, since: float | None) -> list[KeptAlarm]:
    """Also the last one before, where its change goes on."""
    found = [alarm for alarm in version.alarms if since is None or alarm.raised.timestamp() >= since]
    return [version.alarms[-1]] if not found and version.changing and version.alarms else found


def _is_asked(version: KeptVersion, asked: Asked) -> bool:
    return asked.model in (None, version.model) and asked.version in (None, version.version)


def _of(asked: Asked) -> str:
    """What was asked for, at the end of a sentence."""
    parts = [
        f"of model {asked.model}" if asked.model is not None else "",
        f"of version {asked.version}" if asked.version is not None else "",
        f"of the last {asked.days:g} days" if asked.days is not None else "",
    ]
    return "".join(f" {part}" for part in parts if part)
