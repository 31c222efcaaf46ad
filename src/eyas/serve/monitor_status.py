"""What `GET /monitor` says."""

from __future__ import annotations

from typing import Literal

import msgspec

from eyas.monitor.accuracy import HeldOutAccuracy
from eyas.monitor.streaming import Alarm

Drift = Literal["none", "now", "once", "not watched"]


class ClassShare(msgspec.Struct):
    """A class whose predictions changed."""

    label: str
    before: float
    """Its share of the predictions on held-out images."""
    since: float
    """Its share since the change."""


class AlarmStatus(msgspec.Struct):
    """A change that the monitor found."""

    model: str
    version: str
    kind: str
    """`label shift`, `covariate shift`, `input shift` or `outliers`."""
    raised: str
    """ISO 8601, UTC."""
    streams: list[str]
    """What told: confidence, energy, distance, predicted class, pixel statistics."""
    at: int
    """The watched prediction, counted from 1, at which it was raised."""
    since: int
    """The one at which the change is thought to have begun."""
    ever: bool
    """Found by the test that asks whether there ever was a drift; else by the one that asks whether one just began."""
    classes: list[ClassShare]
    outlier_share: float
    """Of the predictions since then."""
    log10_evidence: float
    """For more than a shift of labels; above 3 tells the two apart."""
    examples: list[str]
    """Ids of predictions that show it, the clearest first."""
    since_id: str = ""
    """Id of the prediction at which the change is thought to have begun; empty where that is no longer remembered."""


class AccuracyStatus(msgspec.Struct):
    """What feedback says of a version."""

    labels: int
    """Predictions whose true class is known."""
    right: int
    accuracy: float | None
    lower: float
    """With `upper`: holds the true accuracy at every moment, with the confidence asked for."""
    upper: float
    confidence: float


class VersionStatus(msgspec.Struct):
    """A version of a model."""

    model: str
    version: str
    predictions: int
    """Since the service was started."""
    watched: int
    """By the drift tests, since they began."""
    needs_review: int
    unknown: int
    drift: Drift
    """`now`: a change that was found goes on. `once`: there was one."""
    why_not: str | None
    """Where it is not watched."""
    ever_drifted: list[str]
    """What of it is known, at the configured rate, to have drifted."""
    failures: int
    """Predictions that could not be compared."""
    feedback: AccuracyStatus | None
    """None where there is no store."""
    alarms: list[AlarmStatus]
    """The last ones, the newest first."""
    p95_seconds: float | None
    """Of the last 2,000 answers; None where there was none."""
    tested: HeldOutAccuracy | None
    """None where the bundle does not say it."""


class StoreStatus(msgspec.Struct):
    """The prediction store."""

    place: str
    written: int
    waiting: int
    dropped: dict[str, int]
    """By reason."""
    trouble: str | None
    """Why nothing can be written now."""
    labels_read: bool
    """Whether all labels that it held have been read since the monitor began; before, accuracies are of fewer."""


class ReceiverStatus(msgspec.Struct):
    """Who is told of alarms by the service itself."""

    kind: Literal["webhook", "alertmanager"]
    place: str
    """Without its secrets."""
    sent: int
    """Events that it took."""
    waiting: int
    given_up: dict[str, int]
    """Events that it will not get, by reason."""
    trouble: str | None
    """Why it did not take the last one."""


class ArmStatus(msgspec.Struct):
    """One side of a rollout."""

    version: str
    requests: int
    """In this stage."""
    p95_seconds: float | None
    p99_seconds: float | None
    labels: int


class RolloutStatus(msgspec.Struct):
    """A rollout that is under way."""

    model: str
    mode: str
    """`shadow`, `canary` or `ab`."""
    status: str
    """`running` or `paused`."""
    share: float
    """Of the requests that the challenger answers; of a shadow, that it is asked as well."""
    stage: int
    """From 1."""
    stages: int
    champion: ArmStatus
    challenger: ArmStatus
    loss: tuple[float, float]
    """Bounds of the challenger's error rate less the champion's, each valid at every look."""
    disagreement: tuple[float, float]
    """Of a shadow: bounds of the share of images on which the two name different classes."""
    verdict: str
    """`hold`, `advance`, `promote` or `roll back`."""
    reasons: list[str]


class MonitorStatus(msgspec.Struct):
    """Of the whole service."""

    versions: list[VersionStatus]
    lost: int
    """Predictions that the monitor was not told of, for want of time."""
    store: StoreStatus | None
    rollouts: list[RolloutStatus]
    alerts: list[ReceiverStatus]


def alarm_status(alarm: Alarm, model: str, version: str, classes: tuple[str, ...], raised: str) -> AlarmStatus:
    """An alarm of one version in words.

    Args:
        classes: their names.
        raised: ISO 8601.
    """
    return AlarmStatus(
        model,
        version,
        str(alarm.kind),
        raised,
        list(alarm.streams),
        alarm.at,
        alarm.since,
        alarm.ever,
        [ClassShare(classes[one.index], one.share_before, one.share_since) for one in alarm.classes],
        alarm.outlier_share,
        alarm.log10_evidence,
        list(alarm.examples),
        alarm.since_id,
    )


def describe(alarm: AlarmStatus) -> str:
    """An alarm in one line."""
    classes = ", ".join(f"{one.label} {one.before:.1%} → {one.since:.1%}" for one in alarm.classes[:5])
    which = f" in {classes}" if classes else ""
    examples = f"; for example {', '.join(alarm.examples[:3])}" if alarm.examples else ""
    return f"{alarm.kind}{which}, since prediction {alarm.since} of {alarm.at}, by {', '.join(alarm.streams)}{examples}"
