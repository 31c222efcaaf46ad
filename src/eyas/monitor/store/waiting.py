"""What waits to be written, in a bounded part of the memory."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from eyas.core.errors import ConfigError
from eyas.monitor.store.rows import Feedback, Image, Record

Reason = Literal["overflow", "feedback_overflow", "image_overflow", "refused", "closed"]
"""Why a record was not written: no room for it, a rule or the database against it, or no time left."""


@dataclass(frozen=True)
class WriterLimits:
    """Of a `StoreWriter`.

    Args:
        rows: predictions that may wait; a row takes about 500 bytes and its scores.
        feedback: true labels that may wait.
        image_bytes: of all images that wait; a batch of them that is being written comes on top.
        batch: records of one transaction.
        seconds: after which what waits is written, though it is no full batch.
        retry_seconds: the first pause after a failure; each further one is twice as long.
        longest_retry_seconds: the longest pause.

    Raises:
        ConfigError: one that is not above 0.
    """

    rows: int = 10_000
    feedback: int = 10_000
    image_bytes: int = 64 * 2**20
    batch: int = 500
    seconds: float = 0.25
    retry_seconds: float = 0.25
    longest_retry_seconds: float = 10.0

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)}")


class Waiting:
    """Three queues, each with a bound of its own. Any thread may use them.

    Of predictions and of feedback the oldest give way: monitoring looks at what is happening now, and the labels still
    to come are about it. Feedback is a person's work, which no flood of predictions drives out. Of images the newest
    give way: they are a sample in any case, and one that is in memory already costs no more. Their rows stay.
    """

    def __init__(self, limits: WriterLimits) -> None:
        self._limits = limits
        self._predictions: deque[Record] = deque()
        self._feedback: deque[Record] = deque()
        self._images: deque[Image] = deque()
        self._image_bytes = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._predictions) + len(self._feedback) + len(self._images)

    def add(self, records: Iterable[Record]) -> Counter[Reason]:
        """Put them in; how many of them, or of the oldest of their kind, are dropped for that, by reason."""
        dropped: Counter[Reason] = Counter()
        with self._lock:
            for record in records:
                if reason := self._add(record):
                    dropped[reason] += 1
        return dropped

    def take(self, most: int) -> list[Record]:
        """Take the oldest out, at most so many: feedback, predictions, then images."""
        taken: list[Record] = []
        with self._lock:
            for queue in (self._feedback, self._predictions):
                while queue and len(taken) < most:
                    taken.append(queue.popleft())
            while self._images and len(taken) < most:
                image = self._images.popleft()
                self._image_bytes -= len(image.content)
                taken.append(image)
        return taken

    def _add(self, record: Record) -> Reason | None:
        if isinstance(record, Image):
            return self._add_image(record)
        if isinstance(record, Feedback):
            return _add(self._feedback, record, self._limits.feedback, "feedback_overflow")
        return _add(self._predictions, record, self._limits.rows, "overflow")

    def _add_image(self, image: Image) -> Reason | None:
        size = self._image_bytes + len(image.content)
        if size > self._limits.image_bytes:
            return "image_overflow"
        self._image_bytes = size
        self._images.append(image)
        return None


def _add(queue: deque[Record], record: Record, most: int, reason: Reason) -> Reason | None:
    queue.append(record)
    if len(queue) <= most:
        return None
    queue.popleft()
    return reason
