"""One version as the watcher knows it: its drift tests, its counts, its alarms."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import fields
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from eyas.bundle import Bundle, needs_review
from eyas.core import io
from eyas.core.errors import EyasError
from eyas.core.moments import iso
from eyas.core.schema import MonitoringConfig
from eyas.monitor.accuracy import held_out_accuracy
from eyas.monitor.folder import ABOUT, ALARMS, STATE, describe_version
from eyas.monitor.streaming import Alarm, ImageScores, Monitor, MonitorConfig, read_calibration
from eyas.serve.monitor_status import (
    AccuracyStatus,
    AlarmStatus,
    Drift,
    VersionStatus,
    alarm_status,
    describe,
)
from eyas.serve.monitoring.counts import VersionCounts
from eyas.serve.monitoring.keeping import Keeper
from eyas.serve.monitoring.trial import TIMED
from eyas.serve.monitoring.wire import Rows

SHOWN = 20  # alarms in the status
TOGETHER = 64  # answers that the drift tests wait for: one alone costs three times as much
log = logging.getLogger("eyas.serve")


class Watched:
    """From when the watcher first hears of the version.

    Args:
        bundle: of the version.
        counts: what Prometheus is told.
        folder: of this version; None where nothing is kept.
        keeper: of the predictions; None where there is no store.
    """

    def __init__(
        self,
        model: str,
        bundle: Bundle,
        config: MonitoringConfig,
        counts: VersionCounts,
        folder: Path | None,
        keeper: Keeper | None,
    ) -> None:
        self.model, self.bundle = model, bundle
        self.version = bundle.manifest.version
        self._counts, self._folder, self._keeper = counts, folder, keeper
        self._predictions = self._reviews = self._unknown = 0
        self._alarms: deque[AlarmStatus] = deque(maxlen=SHOWN)
        self._latencies: deque[float] = deque(maxlen=TIMED)
        self._tested = held_out_accuracy(bundle.manifest)
        self._why_not: str | None = None
        self._monitor: Monitor | None = None
        self._untested: list[tuple[list[str], ImageScores, NDArray[np.float32]]] = []
        self._saved = 0
        self._described = self._failed = False
        self._rules = MonitorConfig(false_alarms=config.false_alarms, horizon=config.horizon)
        try:
            calibration = read_calibration(bundle.reference())
        except EyasError as error:
            self._why_not = str(error)
        else:
            self._monitor = Monitor(calibration, self._rules)
        self._go_on()

    def take(self, rows: Rows) -> None:
        """Predictions have been answered."""
        scores = _scores(rows)
        review = needs_review(scores.probabilities, self.bundle.manifest.conformal.threshold)
        reviews, unknown = int(review.sum()), int(scores.unknown.sum())
        self._predictions += len(rows)
        self._latencies.extend(rows.scores[:, 0].tolist())
        self._reviews += reviews
        self._unknown += unknown
        self._counts.predicted(scores.predicted, reviews, unknown)
        if self._keeper:
            self._keeper.keep(rows, scores.predicted, scores.confidence, review)
        if self._monitor and rows.watched:
            ids = [rows.ids[row] for row in rows.watched]
            self._untested.append((ids, scores[rows.watched], rows.pixels))
            if sum(len(ids) for ids, _, _ in self._untested) >= TOGETHER:
                self.test()

    def test(self) -> None:
        """Let the drift tests see those answers that wait for others."""
        monitor, untested = self._monitor, self._untested
        if monitor is None or not untested:
            return
        self._untested = []
        ids, scores, pixels = zip(*untested, strict=True)
        alarms = monitor.observe_many([*chain(*ids)], _joined(scores), np.concatenate(pixels))
        self._counts.watched(monitor.requests, monitor.failures)
        if monitor.last_failure and not self._failed:
            self._failed = True
            log.warning(f"{self.model} {self.version}: answers cannot be compared: {monitor.last_failure}")
        for alarm in alarms:
            if alarm:
                self._raised(alarm)

    def status(self, feedback: AccuracyStatus | None) -> VersionStatus:
        """What is known now."""
        monitor = self._monitor
        drift: Drift
        drift = "not watched" if monitor is None else "now" if monitor.changing else "once" if self._alarms else "none"
        return VersionStatus(
            self.model,
            self.version,
            self._predictions,
            monitor.requests if monitor else 0,
            self._reviews,
            self._unknown,
            drift,
            self._why_not,
            list(monitor.ever_drifted) if monitor else [],
            monitor.failures if monitor else 0,
            feedback,
            [*reversed(self._alarms)],
            float(np.quantile(self._latencies, 0.95)) if self._latencies else None,
            self._tested,
        )

    def save(self) -> None:
        """Keep what describes the version, once, and the state of the tests, where it has changed.

        Raises:
            OSError: it cannot be written.
        """
        if self._folder and not self._described:
            calibration = self._monitor.calibration if self._monitor else None
            about = describe_version(self.bundle.manifest, calibration, self._rules)
            io.write_text(self._folder / ABOUT, about.model_dump_json())
            self._described = True
        if self._folder and self._monitor and self._monitor.requests != self._saved:
            io.write_bytes(self._folder / STATE, self._monitor.state())
            self._saved = self._monitor.requests

    def _raised(self, alarm: Alarm) -> None:
        told = alarm_status(alarm, self.model, self.version, self.bundle.classes, iso())
        self._alarms.append(told)
        self._counts.alarmed(told.kind)
        log.warning(f"{self.model} {self.version}: {describe(told)}")
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / ALARMS).open("ab") as file:
                file.write(msgspec.json.encode(told) + b"\n")

    def _go_on(self) -> None:
        """From what an earlier process has kept."""
        if self._folder is None:
            return
        file = self._folder / ALARMS
        for line in file.read_bytes().splitlines() if file.is_file() else ():
            try:
                self._alarms.append(msgspec.json.decode(line, type=AlarmStatus))
            except msgspec.MsgspecError:  # the process was killed while it wrote
                continue
        state = self._folder / STATE
        if self._monitor and state.is_file():
            try:
                self._monitor.restore(state.read_bytes())
                self._counts.goes_on(self._monitor.requests, self._monitor.failures)
            except (EyasError, OSError, ValueError, KeyError) as error:
                log.warning(f"{self.model} {self.version}: the drift tests begin anew, {state} does not fit: {error}")


def _scores(rows: Rows) -> ImageScores:
    probabilities = rows.probabilities
    _, energy, distance, outlier, unknown = rows.scores.T
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    return ImageScores(probabilities, predicted, confidence, energy, distance, outlier.astype(np.float64), unknown == 1)


def _joined(scores: Sequence[ImageScores]) -> ImageScores:
    return ImageScores(*(np.concatenate([getattr(one, field.name) for one in scores]) for field in fields(ImageScores)))
