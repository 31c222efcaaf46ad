"""Every request, compared with what the model did on held-out images.

    request ─ ImageScores ─┬─ urns ─ p-values ─ bets ─ tests of change ─┬─ alarm ─ diagnosis: kind, since, classes, ids
                           └─ predicted class ──── bets ─ tests of change ┘

One rate of false alarms is shared by all tests: half for "has it ever drifted" (for all time), half for "did it just
change" (in each `horizon` of requests), each split over the streams (Bonferroni). The tests of single classes are one
stream together: their requests add up to all requests, and so do their bounds.

One monitor sees all requests of a model: two states can not be merged, since the order of requests is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from math import isfinite
from random import Random
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.arrays import load_arrays
from eyas.core.errors import DataError
from eyas.monitor.streaming.alarms import Alarm
from eyas.monitor.streaming.calibration import Calibration
from eyas.monitor.streaming.change import CHANGE, EVER, ChangeTests, ClassTests, change_bar, ever_bar
from eyas.monitor.streaming.config import MonitorConfig
from eyas.monitor.streaming.diagnosis import diagnose
from eyas.monitor.streaming.recent import Recent
from eyas.monitor.streaming.scoring import ImageScores
from eyas.monitor.streaming.streams import Ahead, Request, Streams

PREDICTED = "predicted class"
FORMAT = 1
FEW = 3
"""Requests up to which one after the other is faster."""
MANY = 64
"""Requests that are taken together at most."""
NUMBERS = 1 << 15
"""Bets of all requests that are taken together, at most: so many stay in the processor's cache."""


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
        """Why the last one could not."""
        self._lock = Lock()
        self._names = (*calibration.streams, PREDICTED)
        self._random = Random(self.config.seed)
        count = len(calibration.streams)
        rate = self.config.false_alarms / 2
        bars = (ever_bar(rate, count + 1), change_bar(rate, count + 2, self.config.horizon))
        self._streams = Streams(calibration, self.config.seed, bars)
        self._most = max(1, min(MANY, self.config.remembered, NUMBERS // self._streams.bets))
        self._recent = Recent(self.config.remembered, count, calibration.classes)
        self._drifted = np.zeros(count + 1, np.bool_)
        """By stream, the predicted class last: whether "has it ever drifted" has said yes."""
        self._changed: dict[int, int] = {}
        """Streams in a change that goes on, by the request that told so last; the predicted class at S, class k at
        S + 1 + k."""
        self.last_alarm: Alarm | None = None
        """The alarm raised last since the monitor began or was restored."""

    def observe_many(
        self, request_ids: Sequence[str], scores: ImageScores, pixels: NDArray[np.float32] | None = None
    ) -> list[Alarm | None]:
        """Take n requests in, as n calls with one each would, with the same alarms and state, but faster.

        Never raises: what goes wrong is counted in `failures`, and raises no alarm.

        Args:
            request_ids: n, what an alarm names the requests by.
            scores: of n images.
            pixels: (n, 2C) of `eyas.monitor.pixels.all_statistics`; without them no tests of the input.

        Returns:
            What each request raised.
        """
        try:
            with self._lock:
                return self._observe(request_ids, scores, pixels)
        except Exception as error:  # noqa: BLE001 - a prediction never fails because of its monitor
            self._fail(len(request_ids), f"{type(error).__name__}: {error}")
            return [None] * len(request_ids)

    @property
    def ever_drifted(self) -> tuple[str, ...]:
        """The streams of which it is known, at the configured rate, that they drifted since the monitor began."""
        return tuple(name for name, drifted in zip(self._names, self._drifted.tolist(), strict=True) if drifted)

    @property
    def changing(self) -> bool:
        """Whether a change that was told of goes on."""
        return bool(self._changed)

    def _observe(
        self, request_ids: Sequence[str], scores: ImageScores, pixels: NDArray[np.float32] | None
    ) -> list[Alarm | None]:
        values = self._values(len(request_ids), scores, pixels)
        alarms: list[Alarm | None] = [None] * len(request_ids)
        rows = list(range(len(alarms)))
        if not isfinite(float(values[:, :2].sum())):
            rows = self._sound_rows(values)
            request_ids, scores, values = [request_ids[row] for row in rows], scores[rows], values[rows]
        at, most = 0, self._most
        requests = self._requests(scores, values)
        while at < len(requests):
            size = min(len(requests) - at, most, self._until_closed())
            size = 1 if size <= FEW else size
            part = slice(at, at + size)
            taken, alarm = self._take(request_ids[part], scores[part], requests[part], values[part])
            most = min(self._most, 2 * most) if taken == size else max(FEW + 1, taken)
            at += taken
            alarms[rows[at - 1]] = alarm
        return alarms

    def _sound_rows(self, values: NDArray[np.float32]) -> list[int]:
        """Those whose confidence and energy are finite; the others are counted."""
        sound = np.isfinite(values[:, :2]).all(axis=1)
        for row in np.flatnonzero(~sound).tolist():
            self._fail(1, f"DataError: logits and probabilities must be finite, got energy {values[row, 1]}")
        return np.flatnonzero(sound).tolist()

    def _take(
        self, request_ids: Sequence[str], scores: ImageScores, requests: Sequence[Request], values: NDArray[np.float32]
    ) -> tuple[int, Alarm | None]:
        """Requests up to the first that changes what is done with those that follow: how many, and its alarm."""
        learn, streams, first = not self._changed, self._streams, self.requests + 1
        if len(requests) == 1:
            p_values = streams.p_values(requests[0], learn)
            self.requests += 1
            self._recent.extend(request_ids, values, [p_values], scores)
            levels, class_level = streams.bet(requests[0], p_values, first, learn)
            return 1, self._judge(levels, requests[0].predicted, class_level)
        ahead = streams.ahead(requests, first, learn)
        count = min(self._calm(ahead) + 1, ahead.valid)
        streams.keep(requests, ahead, count, first, learn)
        self.requests += count
        self._recent.extend(request_ids[:count], values[:count], ahead.p_values[:count], scores[:count])
        level = float(ahead.class_levels[count - 1])
        return count, self._judge(ahead.levels[count - 1], requests[count - 1].predicted, level)

    def _calm(self, ahead: Ahead) -> int:
        """How many of the requests, from the first, raise nothing."""
        above = ahead.levels >= 1
        telling = above[:, CHANGE].any(axis=1) | (above[:, EVER] & ~self._drifted).any(axis=1)
        telling |= ahead.class_levels >= 1
        return int(telling.argmax()) if telling.any() else len(telling)

    def _judge(self, levels: NDArray[np.float64], predicted: int, class_level: float) -> Alarm | None:
        """End what is over, and raise what there is to raise after a request."""
        self._close()
        if class_level < 1 and levels.max() < 1:
            return None
        found = self._over(levels, predicted, class_level)
        return self._raise(found) if found else None

    def _requests(self, scores: ImageScores, values: NDArray[np.float32]) -> list[Request]:
        random = self._random.random
        return [
            Request(predicted, row, [random() for _ in range(2 * sum(map(isfinite, row)) + 1)])
            for predicted, row in zip(scores.predicted.tolist(), values.tolist(), strict=True)
        ]

    def _fail(self, requests: int, why: str) -> None:
        self.failures += requests
        self.last_failure = why

    def _values(self, count: int, scores: ImageScores, pixels: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """(n, S), in the order of `Calibration.streams`; NaN where a request lacks what it needs."""
        if scores.probabilities.shape != (count, self.calibration.classes):
            raise DataError(
                f"the scores must be of {count} images and {self.calibration.classes} classes, "
                f"got {scores.probabilities.shape}"
            )
        values = np.empty((count, len(self.calibration.streams)), np.float32)
        if pixels is not None and pixels.shape != (expected := (count, values.shape[1] - 3)):
            raise DataError(f"pixels must have shape {expected}, got {pixels.shape}")
        np.subtract(1, scores.confidence, out=values[:, 0])
        values[:, 1], values[:, 2] = scores.energy, scores.distance
        values[:, 3:] = np.nan if pixels is None else pixels
        return values

    def _over(self, levels: NDArray[np.float64], predicted: int, class_level: float) -> list[tuple[int, bool]]:
        """The streams above their bars; those of which it is known that they ever drifted, only for a change."""
        above = levels >= 1
        ever = above[EVER] & ~above[CHANGE] & ~self._drifted
        self._drifted |= above[EVER]
        found = [(stream, False) for stream in np.flatnonzero(above[CHANGE]).tolist()]
        found += [(stream, True) for stream in np.flatnonzero(ever).tolist()]
        return [*found, (levels.shape[1] + predicted, False)] if class_level >= 1 else found

    def _close(self) -> None:
        """A change is over when its stream has not told of it again for as long as requests are remembered."""
        if self._changed:
            self._changed = {stream: told for stream, told in self._changed.items() if self._left(stream, told) > 0}

    def _left(self, stream: int, told: int) -> int:
        """Requests until a change is over. Of a class, K times as many: it has a K-th of the requests."""
        classes = self.calibration.classes if stream >= len(self._names) else 1
        return told + self.config.remembered * classes + 1 - self.requests

    def _until_closed(self) -> int:
        """Requests until the first change is over."""
        return min((self._left(*change) for change in self._changed.items()), default=MANY)

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
        self.last_alarm = self._diagnose(streams, since, all(ever for _, ever in found))
        return self.last_alarm

    def _diagnose(self, streams: list[int], since: int, ever: bool) -> Alarm:
        count = len(self._names)
        of_scores = sorted({0 if stream >= count else stream for stream in streams if stream != count - 1})
        names = dict.fromkeys(self._names[0 if stream >= count else stream] for stream in streams)
        window = self._recent.since(since)
        return diagnose(self.calibration, window, of_scores, tuple(names), self.requests, since, ever)

    def _tests_of(self, stream: int) -> tuple[ChangeTests | ClassTests, int]:
        of_class = stream - len(self._names)
        return (self._streams.tests, stream) if of_class < 0 else (self._streams.class_tests, of_class)

    def state(self) -> bytes:
        """Everything that `restore` goes on with, as an `.npz` of constant size without pickle."""
        with self._lock:
            arrays: dict[str, Any] = self._streams.state() | {
                **{f"recent.{name}": array for name, array in self._recent.state().items()},
                "format": np.array([FORMAT, self.calibration.fingerprint, self.config.seed]),
                "requests": np.array([self.requests, self.failures]),
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
            ValueError, KeyError: it is damaged.
        """
        arrays = load_arrays(BytesIO(state))
        expected = [FORMAT, self.calibration.fingerprint, self.config.seed]
        if arrays["format"].tolist() != expected:
            raise DataError(
                f"the state must have format, calibration and seed {expected}, got {arrays['format'].tolist()}"
            )
        with self._lock:
            self._go_on(arrays)

    def _go_on(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.requests, self.failures = arrays["requests"].tolist()
        self._streams.restore(arrays)
        kept = {name: array for name, array in arrays.items() if name.startswith("recent.")}
        self._recent.restore({name.removeprefix("recent."): array for name, array in kept.items()})
        self._drifted[...] = arrays["drifted"]
        self._changed = dict(arrays["changed"].tolist())
        # Other random numbers than before, so that none is used twice.
        self._random = Random(f"{self.config.seed} {self.requests}")
