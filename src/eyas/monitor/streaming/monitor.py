"""Every request, compared with what the model did on held-out images.

    request ─ scores ─┬─ urns ─ p-values ─ bets ─ tests of change ─┬─ alarm ─ diagnosis: kind, since, classes, ids
                      ├─ predicted class ──── bets ─ tests of change ┘
                      └─ outlier rule ─ unknown or not

One rate of false alarms is shared by all tests: half for "has it ever drifted" (for all time), half for "did it just
change" (in each `horizon` of requests), each split over the streams (Bonferroni). The tests of single classes are one
stream together: their requests add up to all requests, and so do their bounds.

Each process keeps a monitor of its own. Where several share a model's requests, each takes its part of the rate:
`MonitorConfig(false_alarms=rate / workers)`. Two states can not be merged: the order of requests is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from math import fsum, isfinite, log
from random import Random
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import ConfigError, DataError
from eyas.monitor.streaming.alarms import Alarm, Outcome
from eyas.monitor.streaming.betting import betting_table, cell_of, start_share
from eyas.monitor.streaming.calibration import Calibration
from eyas.monitor.streaming.change import CHANGE, EVER, ChangeTests, ClassTests, change_bar, ever_bar, mean_weights
from eyas.monitor.streaming.conformal import ClassUrns, Urn
from eyas.monitor.streaming.diagnosis import diagnose
from eyas.monitor.streaming.labels import black_box_shares
from eyas.monitor.streaming.outliers import fit_outliers
from eyas.monitor.streaming.recent import Recent
from eyas.monitor.streaming.shares import ShareBets

PREDICTED = "predicted class"
FORMAT = 1


@dataclass(frozen=True)
class MonitorConfig:
    """How much a monitor may err and remember."""

    false_alarms: float = 0.01
    """The chance of an alarm without drift: in `horizon` requests."""
    horizon: int = 10_000
    outlier_rate: float = 0.01
    """Share of images like the held-out ones that may be called unknown."""
    remembered: int = 512
    """Requests that an alarm can look back on."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("false_alarms", "outlier_rate"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        for name in ("horizon", "remembered"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class Scores:
    """What is compared of one request."""

    predicted: int
    energy: float
    distance: float
    values: list[float]
    """(S,), in the order of `Calibration.streams`; NaN where the request lacks what it needs."""


class Monitor:
    """The tests of one model's requests, in the order in which they come.

    Args:
        calibration: what the bundle's reference says.
        config: rates and sizes.
    """

    def __init__(self, calibration: Calibration, config: MonitorConfig | None = None) -> None:
        self.calibration, self.config = calibration, config or MonitorConfig()
        self.requests = 0
        self.failures = 0
        """Requests that could not be compared; their predictions are not touched."""
        self.last_failure: str | None = None
        self._lock = Lock()
        self._table = betting_table()
        self._outliers = fit_outliers(calibration.scores[1], calibration.scores[2], self.config.outlier_rate)
        self._class_urns, self._urns = _urns(calibration, self.config.seed)
        self._shares = ShareBets(np.bincount(calibration.predicted, minlength=calibration.classes))
        self._names = (*calibration.streams, PREDICTED)
        self._random = Random(self.config.seed)
        count = len(calibration.streams)
        rate = self.config.false_alarms / 2
        bars = (ever_bar(rate, count + 1), change_bar(rate, count + 2, self.config.horizon))
        bets = self._table.shape[1]
        self._tests = ChangeTests([*[mean_weights(bets)] * count, self._shares.weights], bars)
        self._class_tests = ClassTests(calibration.classes, bets, bars[CHANGE])
        self._payments = np.empty(self._tests.bets)
        self._of_scores = self._payments[: count * bets].reshape(count, bets)
        self._recent = Recent(self.config.remembered, count, calibration.classes)
        self._drifted = np.zeros(count + 1, np.bool_)
        """By stream, the predicted class last: whether "has it ever drifted" has said yes."""
        self._changed: dict[int, int] = {}
        """Streams in a change that goes on, by the request that told so last; the predicted class at S, class k at
        S + 1 + k."""
        self._last: Alarm | None = None

    def observe(
        self,
        request_id: str,
        probabilities: NDArray[np.float32],
        logits: NDArray[np.float32],
        features: NDArray[np.float32] | None = None,
        pixels: NDArray[np.float32] | None = None,
    ) -> Outcome:
        """Take one request in. Never raises: what goes wrong is counted in `failures`, and the outcome says nothing.

        Args:
            request_id: what an alarm names the request by.
            probabilities: (K,), as in the reference.
            logits: (K,), before the temperature.
            features: (D,); without them no distance.
            pixels: (2C,) of `eyas.monitor.pixels.image_statistics`; without them no tests of the input.
        """
        try:
            with self._lock:
                return self._observe(request_id, probabilities, logits, features, pixels)
        except Exception as error:  # noqa: BLE001 - a prediction never fails because of its monitor
            self.failures += 1
            self.last_failure = f"{type(error).__name__}: {error}"
            return Outcome()

    @property
    def ever_drifted(self) -> tuple[str, ...]:
        """The streams of which it is known, at the configured rate, that they drifted since the monitor began."""
        return tuple(name for name, drifted in zip(self._names, self._drifted.tolist(), strict=True) if drifted)

    @property
    def changing(self) -> bool:
        """Whether a change that was told of goes on."""
        return bool(self._changed)

    @property
    def last_alarm(self) -> Alarm | None:
        """The alarm raised last since the monitor began or was restored."""
        return self._last

    def label_shares(self) -> NDArray[np.float64]:
        """(K,) shares of the true classes lately, by black box shift estimation."""
        with self._lock:
            recent = self._shares.recent_shares()
        if not recent.any():
            return self.calibration.prior.copy()
        return black_box_shares(self.calibration.confusion, recent)

    def diagnosis(self) -> Alarm | None:
        """The last alarm as it looks with the requests since then; None where there was none."""
        with self._lock:
            last = self._last
            return last and self._diagnose([self._names.index(name) for name in last.streams], last.since, last.ever)

    def _observe(
        self,
        request_id: str,
        probabilities: NDArray[np.float32],
        logits: NDArray[np.float32],
        features: NDArray[np.float32] | None,
        pixels: NDArray[np.float32] | None,
    ) -> Outcome:
        scores = self._scores(probabilities, logits, features, pixels)
        outlier = self._outliers.score(scores.energy, scores.distance)
        unknown = outlier > self._outliers.threshold
        self.requests += 1
        p_values = self._p_values(scores)
        self._recent.add(request_id, scores.values, p_values, scores.predicted, unknown, probabilities)
        found = self._bet(scores.predicted, p_values)
        return Outcome(unknown, outlier, self._raise(found) if found else None)

    def _scores(
        self,
        probabilities: NDArray[np.float32],
        logits: NDArray[np.float32],
        features: NDArray[np.float32] | None,
        pixels: NDArray[np.float32] | None,
    ) -> Scores:
        if probabilities.shape != (self.calibration.classes,) or logits.shape != probabilities.shape:
            raise DataError(
                f"probabilities and logits must have shape ({self.calibration.classes},), "
                f"got {probabilities.shape} and {logits.shape}"
            )
        predicted = int(probabilities.argmax())
        z = logits.astype(np.float64)
        peak = float(z.max())
        z -= peak
        energy = float(np.float32(-(peak + log(float(np.exp(z, out=z).sum())))))
        nonconformity = float(np.float32(1) - probabilities[predicted])
        if not (isfinite(energy) and isfinite(nonconformity)):
            raise DataError(f"logits and probabilities must be finite, got energy {energy}")
        distance = float("nan") if features is None else self.calibration.distance.to_class(features, predicted)
        missing = [float("nan")] * (2 * self.calibration.channels)
        values = [nonconformity, energy, distance, *(missing if pixels is None else pixels.tolist())]
        if len(values) != len(self.calibration.streams):
            raise DataError(f"pixels must have shape ({2 * self.calibration.channels},), got ({len(values) - 3},)")
        return Scores(predicted, energy, distance, values)

    def _p_values(self, scores: Scores) -> list[float]:
        """(S,), NaN where there is no score."""
        learn, random = not self._changed, self._random.random
        own = self._class_urns.of_class(scores.predicted)
        urns = [own, *self._urns]
        return [
            urn.p_value(score, random(), random(), learn) if isfinite(score) else score
            for urn, score in zip(urns, scores.values, strict=True)
        ]

    def _bet(self, predicted: int, p_values: list[float]) -> list[tuple[int, bool]]:
        """Streams that the request makes raise an alarm, and whether by the test of ever."""
        random, learn = self._random.random(), not self._changed
        np.take(self._table, [cell_of(p) if isfinite(p) else 0 for p in p_values], axis=0, out=self._of_scores)
        if not isfinite(fsum(p_values)):
            self._of_scores[~np.isfinite(p_values)] = 1
        self._payments[self._of_scores.size :] = self._shares.pay(predicted, random, learn)
        levels = self._tests.update(self._payments, self.requests, start_share(self.requests))
        class_level = self._class_tests.update(predicted, self._of_scores[0], self.requests)
        self._close()
        calm = class_level < 1 and levels.max() < 1
        return [] if calm else self._over(levels, predicted, class_level)

    def _over(self, levels: NDArray[np.float64], predicted: int, class_level: float) -> list[tuple[int, bool]]:
        """The streams above their bars; those of which it is known that they ever drifted, only for a change."""
        above = levels >= 1
        ever = above[EVER] & ~above[CHANGE] & ~self._drifted
        self._drifted |= above[EVER]
        found = [(stream, False) for stream in np.flatnonzero(above[CHANGE]).tolist()]
        found += [(stream, True) for stream in np.flatnonzero(ever).tolist()]
        return [*found, (levels.shape[1] + predicted, False)] if class_level >= 1 else found

    def _close(self) -> None:
        """A change is over when its stream has not told of it again for as long as requests are remembered.

        Of a class, for K times as long: it has a K-th of the requests.
        """
        for stream, told in tuple(self._changed.items()):
            classes = self.calibration.classes if stream >= len(self._names) else 1
            if self.requests - told > self.config.remembered * classes:
                del self._changed[stream]

    def _raise(self, found: list[tuple[int, bool]]) -> Alarm | None:
        """One alarm for all streams of a change: those that follow while it goes on are part of it."""
        going_on = bool(self._changed)
        streams = [stream for stream, _ in found]
        since = min(tests.since(row) for tests, row in map(self._tests_of, streams))
        for stream in streams:
            tests, row = self._tests_of(stream)
            tests.restart(row)
            self._changed[stream] = self.requests
        if going_on:
            return None
        self._last = self._diagnose(streams, since, all(ever for _, ever in found))
        return self._last

    def _diagnose(self, streams: list[int], since: int, ever: bool) -> Alarm:
        count = len(self._names)
        of_scores = sorted({0 if stream >= count else stream for stream in streams if stream != count - 1})
        names = dict.fromkeys(self._names[0 if stream >= count else stream] for stream in streams)
        window = self._recent.since(since)
        return diagnose(self.calibration, window, of_scores, tuple(names), self.requests, since, ever)

    def _tests_of(self, stream: int) -> tuple[ChangeTests | ClassTests, int]:
        of_class = stream - len(self._names)
        return (self._tests, stream) if of_class < 0 else (self._class_tests, of_class)

    def state(self) -> bytes:
        """Everything that `restore` goes on with, as an `.npz` of constant size without pickle."""
        with self._lock:
            arrays: dict[str, Any] = {
                f"{part}.{name}": array for part, kept in self._parts().items() for name, array in kept.items()
            }
            urns = [count for urn in (*self._class_urns.urns, *self._urns) for count in urn.counts]
            arrays |= {
                "format": np.array([FORMAT, self.calibration.fingerprint, self.config.seed]),
                "requests": np.array([self.requests, self.failures]),
                "urns": np.array(urns, np.int64),
                "drifted": self._drifted,
                "changed": np.array(list(self._changed.items()), np.int64).reshape(-1, 2),
            }
            file = BytesIO()
            np.savez(file, **arrays)
        return file.getvalue()

    def restore(self, state: bytes) -> None:
        """Go on where another monitor of the same calibration and configuration stood.

        Raises:
            DataError: the state belongs to another calibration, seed or format.
        """
        with np.load(BytesIO(state), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        expected = [FORMAT, self.calibration.fingerprint, self.config.seed]
        if arrays["format"].tolist() != expected:
            raise DataError(
                f"the state must have format, calibration and seed {expected}, got {arrays['format'].tolist()}"
            )
        with self._lock:
            self._take(arrays)

    def _take(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.requests, self.failures = arrays["requests"].tolist()
        counts = arrays["urns"].tolist()
        for urn in (*self._class_urns.urns, *self._urns):
            size = len(urn.counts)
            urn.restore(counts[:size])
            counts = counts[size:]
        for part in self._parts():
            kept = {name.partition(".")[2]: array for name, array in arrays.items() if name.startswith(f"{part}.")}
            getattr(self, f"_{part}").restore(kept)
        self._drifted[...] = arrays["drifted"]
        self._changed = dict(arrays["changed"].tolist())
        # Other random numbers than before, so that none is used twice.
        self._random = Random(f"{self.config.seed} {self.requests}")

    def _parts(self) -> dict[str, dict[str, NDArray[Any]]]:
        names = ("tests", "class_tests", "shares", "recent")
        return {name: getattr(self, f"_{name}").state() for name in names}


def _urns(calibration: Calibration, seed: int) -> tuple[ClassUrns, list[Urn]]:
    """By predicted class for the first stream, pooled for the others."""
    rng = np.random.default_rng(seed)
    by_class = ClassUrns(calibration.scores[0], calibration.predicted, calibration.classes, rng)
    return by_class, [Urn(scores[np.isfinite(scores)], rng) for scores in calibration.scores[1:]]
