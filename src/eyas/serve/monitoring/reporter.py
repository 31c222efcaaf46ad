"""A worker's side of the monitor: notes each answer, and tells the watcher of many together.

On the way of an answer there is one `append`. What the watcher needs is computed later, for all answers of the last
`PAUSE` seconds at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from random import Random
from time import monotonic, time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyas.core.schema import MonitoringConfig
from eyas.infer import Prediction
from eyas.monitor.pixels import all_statistics
from eyas.monitor.store import Arm
from eyas.serve.dealing import Route
from eyas.serve.model import Model
from eyas.serve.monitoring.channel import Outbox
from eyas.serve.monitoring.wire import COLUMNS, Rows, encode

PAUSE = 0.05  # seconds between the first answer noted and all of them told
FINISH_SECONDS = 1.0  # for a full way, when the worker ends
NOTED, NOTED_BYTES = 4096, 64_000_000  # answers, and bytes of their images, that may wait for that
PART = 60_000  # bytes of a message, beside an image
LARGEST_IMAGE = 160_000  # bytes of one that is kept: 224 × 224 × 3 is less
log = logging.getLogger("eyas.serve")

_Of = tuple[Model, Arm, int]


class _Note(NamedTuple):
    ids: Sequence[str]
    images: NDArray[np.uint8]
    prediction: Prediction
    latency: float
    at: float
    drawn: bool
    champion: list[int]


class Reporter:
    """Notes from any thread, tells from the event loop.

    Args:
        outbox: to the watcher.
        config: how much is watched, and kept.
        share: of the service's requests that this worker may have watched: 1 / workers.
        lose: told of how many predictions the watcher will not hear.
    """

    def __init__(
        self,
        outbox: Outbox,
        config: MonitoringConfig,
        share: float,
        lose: Callable[[int], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._outbox, self._config, self._lose, self.loop = outbox, config, lose, loop
        self._rate = config.most_per_second * share
        self._allowed, self._allowed_at = self._rate * PAUSE, monotonic()
        self._random = Random()
        self._notes: deque[tuple[_Of, _Note]] = deque()
        self._bytes = 0  # of the images noted
        self._armed = False
        self._failed = False

    def note(
        self,
        route: Route,
        images: NDArray[np.uint8],
        prediction: Prediction,
        latency: float,
        champion: list[int] | None = None,
    ) -> None:
        """An answer.

        Args:
            route: what gave it. Its id is the prediction's where it is of one image; else `ID-0`, `ID-1`, ….
            images: (N, H, W, C).
            latency: in seconds.
            champion: the classes that the champion named, where this is its shadow's answer.
        """
        count = len(images)
        if len(self._notes) >= NOTED or self._bytes > NOTED_BYTES:
            self._lose(count)
            return
        ids = [route.id] if count == 1 else [f"{route.id}-{row}" for row in range(count)]
        of = route.model, route.arm, route.step
        drawn = bool(route.step) and not route.keyed
        self._notes.append((of, _Note(ids, images, prediction, latency, time(), drawn, champion or [])))
        self._bytes += images.nbytes
        if not self._armed:
            self._armed = True
            self.loop.call_soon_threadsafe(self._arm)

    def flush(self) -> None:
        """Tell all that is noted. What goes wrong here reaches no prediction: it is logged, once, and counted."""
        self._armed, self._bytes = False, 0
        groups: dict[_Of, list[_Note]] = defaultdict(list)
        while self._notes:
            of, note = self._notes.popleft()
            groups[of].append(note)
        for of, notes in groups.items():
            try:
                self._tell(of, notes)
            except Exception:
                self._lose(sum(len(note.ids) for note in notes))
                if not self._failed:
                    log.exception("the monitor cannot be told of predictions; they go on without it")
                self._failed = True
        if not self._outbox.empty:
            self._lose(self._outbox.push())
            self._armed = True
            self._arm()

    async def finish(self) -> None:
        """Tell all that is noted, and give the watcher a moment to take it."""
        self.flush()
        until = monotonic() + FINISH_SECONDS
        while not self._outbox.empty and monotonic() < until:
            await asyncio.sleep(PAUSE)
            self._lose(self._outbox.push())

    def _arm(self) -> None:
        self.loop.call_later(PAUSE, self.flush)

    def _tell(self, of: _Of, notes: list[_Note]) -> None:
        model, arm, step = of
        numbers = _numbers(model, notes)
        places = [(note, row) for note in notes for row in range(len(note.ids))]
        ids = [name for note in notes for name in note.ids]
        champion = [predicted for note in notes for predicted in note.champion]
        times = np.repeat([note.at for note in notes], [len(note.ids) for note in notes])
        watched = np.zeros(len(ids), np.bool_) if arm == "shadow" else self._watched(len(ids))
        kept = [] if arm == "shadow" else self._kept(notes[0].images, len(ids))
        shape = notes[0].images.shape[1:]

        def image(row: int) -> NDArray[np.uint8]:
            note, at = places[row]
            found: NDArray[np.uint8] = note.images[at]
            return found

        for part in _parts(numbers, shape[2], kept):
            rows = np.flatnonzero(watched[part]).tolist()
            message = Rows(
                model.name,
                model.version,
                arm,
                step,
                sum(note.drawn for note, row in places[part] if row == 0),
                ids[part],
                times[part].tobytes(),
                numbers[part].tobytes(),
                rows,
                all_statistics(np.stack([image(part.start + row) for row in rows])).tobytes() if rows else b"",
                shape,
                {row - part.start: image(row).tobytes() for row in kept if part.start <= row < part.stop},
                champion[part],
            )
            self._lose(self._outbox.send(encode(message), part.stop - part.start))

    def _watched(self, count: int) -> NDArray[np.bool_]:
        """(count,): as many as the rate allows, drawn at random."""
        now = monotonic()
        self._allowed = min(max(self._rate, 1.0), self._allowed + (now - self._allowed_at) * self._rate)
        self._allowed_at = now
        taken = min(count, int(self._allowed))
        self._allowed -= taken
        watched = np.zeros(count, np.bool_)
        watched[self._random.sample(range(count), taken)] = True
        return watched

    def _kept(self, images: NDArray[np.uint8], count: int) -> list[int]:
        share = self._config.keep_images
        if not share or images[0].nbytes > LARGEST_IMAGE:
            return []
        return [row for row in range(count) if self._random.random() < share]


def _numbers(model: Model, notes: list[_Note]) -> NDArray[np.float32]:
    """(n, 5 + K), see `Rows.numbers`."""
    probabilities = np.concatenate([note.prediction.probabilities for note in notes])
    numbers = np.full((len(probabilities), COLUMNS + probabilities.shape[1]), np.nan, np.float32)
    numbers[:, 0] = np.repeat([note.latency for note in notes], [len(note.ids) for note in notes])
    numbers[:, COLUMNS:] = probabilities
    if model.scoring is not None:
        logits = np.concatenate([note.prediction.logits for note in notes])
        features = np.concatenate([note.prediction.features for note in notes])
        # All at once costs less than to gather what each answer was scored with.
        scores = model.scoring.score(probabilities, logits, features)
        numbers[:, 1:COLUMNS] = np.column_stack([scores.energy, scores.distance, scores.outlier, scores.unknown])
    return numbers


def _parts(numbers: NDArray[np.float32], channels: int, kept: list[int]) -> Iterator[slice]:
    """Rows whose messages are short enough; a kept image ends its part."""
    most = max(1, PART // (200 + numbers[0].nbytes + 8 * channels))
    ends = sorted({*range(most, len(numbers), most), *(row + 1 for row in kept), len(numbers)})
    start = 0
    for end in ends:
        yield slice(start, end)
        start = end
