"""What Prometheus is told of what the watcher knows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eyas.serve.metrics import Counts
from eyas.serve.metrics.families import (
    ALARMS,
    CLASSES,
    DRIFT,
    FAILURES,
    REVIEW,
    UNKNOWN,
    WATCHED,
)

MOST_CLASSES = 200  # a model of more is counted without its classes: each would be a series


class VersionCounts:
    """Of one version, in the watcher's own table."""

    def __init__(self, counts: Counts, model: str, version: str, classes: tuple[str, ...]) -> None:
        self._counts, self._who = counts, (model, version)
        self._classes = classes if len(classes) <= MOST_CLASSES else ("all",)

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

    def watched(self, requests: int, failures: int, *, changing: bool) -> None:
        """How the tests stand."""
        self._counts.row((WATCHED.name, *self._who))[0] = requests
        self._counts.row((FAILURES.name, *self._who))[0] = failures
        self._counts.row((DRIFT.name, *self._who))[0] = changing

    def alarmed(self, kind: str) -> None:
        """An alarm was raised."""
        self._counts.row((ALARMS.name, *self._who, kind))[0] += 1
