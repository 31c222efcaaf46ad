"""The watcher's side of the prediction store: what is put in, and the labels that come back."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from time import monotonic, time

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import EyasError
from eyas.core.marks import PREDICTIONS
from eyas.core.schema import MonitoringConfig
from eyas.core.schema.addresses import shown_database
from eyas.image import PNG, to_png
from eyas.monitor.store import (
    Image,
    Outcome,
    Prediction,
    PredictionStore,
    Retention,
    StoreWriter,
    open_store,
    pack_all_scores,
)
from eyas.serve.monitor_status import StoreStatus
from eyas.serve.monitoring.wire import Rows

FOLLOW_SECONDS = 1.0
SWEEP_SECONDS = 3600.0
AT_ONCE = 1000  # outcomes
SEEN = 200_000  # outcomes that are known again when their label is corrected
log = logging.getLogger("eyas.serve")


def place_of(config: MonitoringConfig) -> str | None:
    """Where the store is; None: there is none."""
    if config.store:
        return config.store
    return str(Path(config.folder) / PREDICTIONS) if config.folder else None


class Keeper:
    """Writes behind a queue, reads in a thread of its own: a database that hangs holds up nothing else.

    Args:
        place: of the store.
        begin: told, in that thread and before all else, the number of the last outcome that was there.
        met: told, in that thread, of predictions that have met their labels, and the number of the last one that was
            read: first all there are, then the new ones.
    """

    def __init__(
        self,
        place: str,
        config: MonitoringConfig,
        begin: Callable[[int], None],
        met: Callable[[tuple[Outcome, ...], int], None],
    ) -> None:
        if "://" not in place:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
        self._place, self._begin, self._met = place, begin, met
        self._store: PredictionStore = open_store(place)
        self._writer = StoreWriter(self._store)
        self._kept = Retention(config.keep_days, config.keep_image_days)
        self._after = 0
        self._begun = self._read = False
        self._seen: set[int] = set()
        self._order: deque[int] = deque()
        self._trouble: str | None = None
        self._ended = Event()
        self._follower = Thread(target=self._follow, name="feedback", daemon=True)
        self._follower.start()

    def keep(
        self, rows: Rows, predicted: NDArray[np.intp], confidence: NDArray[np.float32], review: NDArray[np.bool_]
    ) -> None:
        """Put predictions, and what there is of their images, on their way to the store."""
        self._writer.put(*_records(rows, predicted, confidence, review))
        for row in rows.image_bytes:
            if (image := rows.image(row)) is not None:
                self._writer.put(Image(rows.ids[row], float(rows.times[row]), PNG, to_png(image)))

    def status(self) -> StoreStatus:
        """Of this moment."""
        state = self._writer.state()
        dropped = {str(reason): count for reason, count in state.dropped.items()}
        trouble = state.last_error if state.failing_since else self._trouble
        return StoreStatus(shown_database(self._place), state.predictions, state.waiting, dropped, trouble, self._read)

    def close(self) -> None:
        """Write what waits, as far as that goes soon."""
        self._ended.set()
        self._writer.close()

    def _follow(self) -> None:
        sweep_at = monotonic() + FOLLOW_SECONDS
        pause = 0.0
        while not self._ended.wait(pause):
            pause = FOLLOW_SECONDS
            try:
                if not self._begun:
                    self._begin(self._store.last_outcome())
                    self._begun = True
                while found := self._store.outcomes(after=self._after, most=AT_ONCE):
                    self._after = found[-1].number
                    self._met(tuple(one for one in found if self._is_new(one)), self._after)
                self._read = True
                if monotonic() >= sweep_at:
                    sweep_at = monotonic() + SWEEP_SECONDS
                    self._store.sweep(self._kept, time(), self._ended)
                self._trouble = None
            except EyasError as error:
                if self._trouble is None:
                    log.warning(f"the prediction store cannot be read: {error}")
                self._trouble = str(error)

    def _is_new(self, outcome: Outcome) -> bool:
        """Not the correction of a label that was told already: a sequence of bets cannot take one back."""
        key = hash((outcome.id, outcome.version, outcome.arm))
        if key in self._seen:
            return False
        self._seen.add(key)
        self._order.append(key)
        if len(self._order) > SEEN:
            self._seen.discard(self._order.popleft())
        return True


def _records(
    rows: Rows, predicted: NDArray[np.intp], confidence: NDArray[np.float32], review: NDArray[np.bool_]
) -> Iterator[Prediction]:
    about = rows.model, rows.version, rows.arm
    scores = pack_all_scores(rows.probabilities)
    said = zip(predicted.tolist(), confidence.tolist(), scores, review.tolist(), strict=True)
    for name, at, judged, (index, confident, packed, reviewed) in zip(
        rows.ids, rows.times.tolist(), rows.scores.tolist(), said, strict=True
    ):
        latency, energy, distance, _, unknown = judged
        yield Prediction(
            name, at, *about, index, confident, packed, reviewed, unknown == 1, energy, distance, 1e3 * latency
        )


def unopened(place: str) -> StoreStatus:
    """Of a store that could not be opened."""
    return StoreStatus(shown_database(place), 0, 0, {}, "it could not be opened, the log says why", labels_read=False)
