"""What Prometheus is told of what the watcher knows.

A killed watcher's successor goes on with its table, so counters are added to, never set: what the successor takes up or
reads anew has been counted. Those that are at hand are 0 from the start: an increase from nothing is seen by nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from eyas.monitor.store import Outcome, Reason
from eyas.monitor.streaming import Kind
from eyas.serve.metrics import Counts
from eyas.serve.metrics.families import (
    ALARMS,
    CLASSES,
    COUNTED,
    DRIFT,
    DROPPED,
    FAILURES,
    FEEDBACK,
    HELD_OUT,
    HELD_OUT_LOWER,
    LOST,
    LOWER,
    REVIEW,
    SHARE,
    UNKNOWN,
    UNWRITTEN,
    UPPER,
    WATCHED,
    WRITTEN,
    Family,
)
from eyas.serve.monitor_status import MonitorStatus, RolloutStatus, StoreStatus, VersionStatus

MOST_CLASSES = 200  # a model of more is counted without its classes: each would be a series
RIGHT, WRONG = "right", "wrong"


class VersionCounts:
    """Of one version, in the watcher's own table."""

    def __init__(self, counts: Counts, model: str, version: str, classes: tuple[str, ...]) -> None:
        self._counts, self._who = counts, (model, version)
        self._classes = classes if len(classes) <= MOST_CLASSES else ("all",)
        self._requests = self._failures = 0
        for family in (REVIEW, UNKNOWN, WATCHED, FAILURES):
            counts.row((family.name, *self._who))
        for name in self._classes:
            counts.row((CLASSES.name, *self._who, name))
        for kind in Kind:
            counts.row((ALARMS.name, *self._who, str(kind)))

    def predicted(self, classes: NDArray[np.intp], review: int, unknown: int) -> None:
        """So many predictions.

        Args:
            classes: (n,) the predicted ones.
        """
        if len(self._classes) == 1:
            classes = np.zeros_like(classes)
        for index, count in enumerate(np.bincount(classes).tolist()):
            if count:
                self._counts.row((CLASSES.name, *self._who, self._classes[index]))[0] += count
        self._counts.row((REVIEW.name, *self._who))[0] += review
        self._counts.row((UNKNOWN.name, *self._who))[0] += unknown

    def goes_on(self, requests: int, failures: int) -> None:
        """The tests begin where they were saved."""
        self._requests, self._failures = requests, failures

    def watched(self, requests: int, failures: int) -> None:
        """How the tests stand."""
        self._counts.row((WATCHED.name, *self._who))[0] += requests - self._requests
        self._counts.row((FAILURES.name, *self._who))[0] += failures - self._failures
        self._requests, self._failures = requests, failures

    def alarmed(self, kind: str) -> None:
        """An alarm was raised."""
        self._counts.row((ALARMS.name, *self._who, kind))[0] += 1


class LabelCounts:
    """Labels that have come since the service began. Used by one thread, which reads them from the store.

    Each watcher reads all that are there; the table has the number of the next one that is to be counted.
    """

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def begin(self, last: int) -> None:
        """Before any is read: all up to this one were there, and are not counted where no watcher was before."""
        row = self._counts.row((COUNTED,))
        row[0] = row[0] or last + 1

    def met(self, outcomes: Sequence[Outcome], last: int) -> None:
        """Predictions have met their labels.

        Args:
            outcomes: without corrections of earlier labels.
            last: the number of the last one that was read.
        """
        row = self._counts.row((COUNTED,))
        for one in outcomes:
            if one.number >= row[0]:
                self._counts.row((FEEDBACK.name, one.model, one.version, RIGHT if one.correct else WRONG))[0] += 1
        row[0] = max(row[0], last + 1)


class BoardCounts:
    """Of the whole service, what the board says, in the watcher's own table."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._written = 0
        self._dropped: Counter[str] = Counter()
        self._shares: set[tuple[str, str]] = set()
        counts.row((LOST.name,))

    def tell(self, status: MonitorStatus) -> None:
        """How all stands now."""
        for one in status.versions:
            self._version(one)
        if status.store:
            self._store(status.store)
        self._rollouts(status.rollouts)

    def _version(self, status: VersionStatus) -> None:
        who = status.model, status.version
        self._set(DRIFT, status.drift == "now", *who)
        if status.tested is not None:
            self._set(HELD_OUT, status.tested.accuracy, *who)
            self._set(HELD_OUT_LOWER, status.tested.lower, *who)
        if status.feedback:
            self._set(LOWER, status.feedback.lower, *who)
            self._set(UPPER, status.feedback.upper, *who)
            for outcome in (RIGHT, WRONG):
                self._counts.row((FEEDBACK.name, *who, outcome))

    def _store(self, status: StoreStatus) -> None:
        self._counts.row((WRITTEN.name,))[0] += status.written - self._written
        self._written = status.written
        for reason in get_args(Reason):
            count = status.dropped.get(reason, 0)
            self._counts.row((DROPPED.name, reason))[0] += count - self._dropped[reason]
            self._dropped[reason] = count
        self._set(UNWRITTEN, status.waiting)

    def _rollouts(self, rollouts: Sequence[RolloutStatus]) -> None:
        """Their challengers' shares; 0 for one that is over."""
        shares = {(one.model, one.challenger.version): one.share for one in rollouts}
        for who in self._shares - shares.keys():
            self._set(SHARE, 0.0, *who)
        for who, share in shares.items():
            self._set(SHARE, share, *who)
        self._shares = {*shares}

    def _set(self, family: Family, value: float, *labels: str) -> None:
        self._counts.row((family.name, *labels))[0] = value
