"""How often each version was right, by the labels that have come so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from threading import Lock

from eyas.monitor.accuracy import ALPHA
from eyas.monitor.sequences import MeanSequence
from eyas.monitor.store import Outcome
from eyas.serve.monitor_status import AccuracyStatus

Who = tuple[str, str]
"""A model and its version."""


class Accuracies:
    """Of all versions; any thread may use it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sequences: dict[Who, MeanSequence] = {}
        self._right: Counter[Who] = Counter()

    def met(self, outcomes: Sequence[Outcome]) -> None:
        """Predictions have met their labels."""
        labels = Counter((one.model, one.version) for one in outcomes)
        right = Counter((one.model, one.version) for one in outcomes if one.correct)
        with self._lock:
            for who, count in labels.items():
                sequence = self._sequences.setdefault(who, MeanSequence(ALPHA))
                sequence.update(right[who], count)
                self._right[who] += right[who]

    def of(self, model: str, version: str) -> AccuracyStatus:
        """A confidence sequence of the version's accuracy (Waudby-Smith & Ramdas 2024): it holds at every look."""
        who = model, version
        with self._lock:
            sequence = self._sequences.get(who)
            if sequence is None:
                return AccuracyStatus(0, 0, None, 0.0, 1.0, 1 - ALPHA)
            lower, upper = sequence.interval()
            right, labels = self._right[who], sequence.count
        return AccuracyStatus(labels, right, right / labels, lower, upper, 1 - ALPHA)
