"""A change that an alarm told of: when it began, and the predictions and images on both sides of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, nan

import numpy as np
from numpy.typing import NDArray

from eyas.monitor.folder import LEVELS, About, KeptAlarm
from eyas.monitor.store import Filter, Image, PredictionStore, Scored, StoredPrediction
from eyas.monitor.streaming import OutlierRule

NEAR = 5000
"""Predictions on either side that are looked at."""
SHOWN, SHOWN_BEFORE = 12, 6


@dataclass(frozen=True)
class Begun:
    """An alarm, and when its change is thought to have begun."""

    alarm: KeptAlarm
    at: float | None
    """Unix seconds; None where the store has no predictions from then."""
    exact: bool
    """By the prediction that the alarm names; else counted back from the alarm, which lets untested ones count too."""

    @property
    def raised(self) -> float:
        """Unix seconds; it is told in whole ones, and comes after the change."""
        return max(self.alarm.raised.timestamp(), self.at or 0.0)


@dataclass(frozen=True)
class Shown:
    """An image, and what was predicted of it."""

    scored: Scored
    image: Image


@dataclass(frozen=True)
class Change:
    """What there is to see of an alarm."""

    begun: Begun
    before: Sequence[Scored]
    """The last ones before the change."""
    since: Sequence[Scored]
    """The first ones since, up to the next change."""
    images: Sequence[Shown]
    """Since the change, the clearest first."""
    images_before: Sequence[Shown]
    """The last ones before."""


def begin(store: PredictionStore, alarm: KeptAlarm, mine: Filter) -> Begun:
    """Find when a change began.

    Args:
        mine: the alarm's version.
    """
    named = _of_version(store.by_id(alarm.since_id), mine) if alarm.since_id else None
    if named:
        return Begun(alarm, named.prediction.time, True)
    raised = alarm.raised.timestamp() + 1  # it is told in whole seconds
    back = store.scored(NEAR, replace(mine, since=None, until=raised))
    place = min(alarm.at - alarm.since, len(back) - 1)
    return Begun(alarm, back[place].time if back else None, False)


def look_around(
    store: PredictionStore, begun: Sequence[Begun], mine: Filter, about: About | None
) -> tuple[Change, ...]:
    """The changes of a version, each up to the next one.

    Args:
        begun: by time.
        mine: the version, and the time that is looked at.
        about: None where it is not known what held-out images are like.
    """
    ends = [*(one.at for one in begun[1:]), mine.until]
    return tuple(_look(store, one, end, mine, about) for one, end in zip(begun, ends, strict=False))


def _look(store: PredictionStore, begun: Begun, end: float | None, mine: Filter, about: About | None) -> Change:
    if begun.at is None:
        return Change(begun, (), (), (), ())
    earlier = replace(mine, since=None, until=begun.at)
    later = replace(mine, since=begun.at, until=end if end is not None and end > begun.at else mine.until)
    candidates = store.scored(NEAR, replace(later, has_image=True), newest=False)
    clearest = _clearest(store, begun.alarm, candidates, mine, about)
    last = store.scored(SHOWN_BEFORE, replace(earlier, has_image=True))
    return Change(
        begun=begun,
        before=store.scored(NEAR, earlier),
        since=store.scored(NEAR, later, newest=False),
        images=_with_images(store, clearest),
        images_before=_with_images(store, last),
    )


def _clearest(
    store: PredictionStore, alarm: KeptAlarm, candidates: Sequence[Scored], mine: Filter, about: About | None
) -> list[Scored]:
    """The alarm's examples that have an image, then the least like the held-out ones."""
    examples = [_of_version(store.by_id(id_), mine) for id_ in alarm.examples]
    first = [_scored(found) for found in examples if found and found.has_image]
    named = {one.id for one in first}
    order = np.argsort(-unlikeness(candidates, about), kind="stable").tolist()
    rest = [candidates[row] for row in order if candidates[row].id not in named]
    return [*first, *rest][:SHOWN]


def unlikeness(rows: Sequence[Scored], about: About | None) -> NDArray[np.float64]:
    """How little each prediction is like those of held-out images: (n,), higher is less like.

    By the rule of `eyas.monitor.streaming.outliers`. Without energy and distance, or without held-out images,
    1 - confidence.
    """
    known = about.held_out.scores if about and about.held_out else {}
    rule = OutlierRule(_scale(known.get("energy")), _scale(known.get("distance")), inf)
    parts = [scores_of(rows, name) if known.get(name) else np.full(len(rows), nan) for name in ("energy", "distance")]
    found = rule.score(*parts)
    return np.where(np.isfinite(found), found, 1 - scores_of(rows, "confidence"))


def _scale(quantiles: Sequence[float] | None) -> tuple[float, float]:
    """Median, and what lies between it and the upper decile."""
    if not quantiles:
        return 0.0, 1.0
    middle, high = np.interp([0.5, 0.9], LEVELS, quantiles).tolist()
    return middle, (high - middle) or 1.0


def scores_of(rows: Sequence[Scored], name: str) -> NDArray[np.float64]:
    """Confidence, energy or distance of each: (n,), NaN where there is none."""
    return np.array([getattr(row, name) for row in rows], np.float64)


def _with_images(store: PredictionStore, rows: Sequence[Scored]) -> tuple[Shown, ...]:
    """Those whose image has not left meanwhile."""
    found = ((row, store.image(row.id)) for row in rows)
    return tuple(Shown(row, image) for row, image in found if image)


def _of_version(answers: Sequence[StoredPrediction], mine: Filter) -> StoredPrediction | None:
    """An image may have been answered by another version as well."""
    of = ((one.prediction.model, one.prediction.version) == (mine.model, mine.version) for one in answers)
    return next((one for one, own in zip(answers, of, strict=True) if own), None)


def _scored(found: StoredPrediction) -> Scored:
    one = found.prediction
    label = found.feedback.true_class if found.feedback else None
    return Scored(one.id, one.time, one.predicted, one.confidence, one.unknown, one.energy, one.distance, label)
