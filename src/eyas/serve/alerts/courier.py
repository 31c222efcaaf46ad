"""Brings events to one receiver, in a thread of its own: one that hangs holds up nobody else."""

from __future__ import annotations

import logging
import traceback
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Event as Signal
from threading import Lock, Thread
from time import monotonic, time

from eyas.serve.alerts.events import Event, seconds_of
from eyas.serve.alerts.posting import DeliveryError
from eyas.serve.alerts.receivers import Receiver
from eyas.serve.monitor_status import ReceiverStatus

MOST = 500  # events that wait; then the oldest is given up
OLDEST_SECONDS = 86_400.0
LONGEST_PAUSE = 60.0
LONGEST_ASKED = 600.0  # by a receiver
log = logging.getLogger("eyas.serve")


class Courier:
    """An event that is not taken is tried again, after waits that double, and those behind it wait: they come in order.
    One that will never be taken is given up, and counted.

    Args:
        receiver: of the events.
        waiting: what an earlier process has left.
    """

    def __init__(self, receiver: Receiver, waiting: Iterable[Event]) -> None:
        self.receiver = receiver
        self._waiting = deque(waiting)
        self._standing: Sequence[Event] = ()
        self._lock = Lock()
        self._sent, self._failures = 0, 0
        self._given_up: Counter[str] = Counter()
        self._trouble: str | None = None
        self._again_at = self._remind_at = 0.0  # on the monotonic clock
        self._some, self._closing = Signal(), Signal()
        self._thread = Thread(target=self._run, name=f"alerts-{receiver.kind}", daemon=True)
        self._thread.start()

    def put(self, events: Sequence[Event], standing: Sequence[Event]) -> None:
        """Take events on; waits for nothing.

        Args:
            standing: what goes on now.
        """
        with self._lock:
            self._standing = standing
            self._waiting.extend(events)
            while len(self._waiting) > MOST:
                self._waiting.popleft()
                self._given_up["no room for more"] += 1
        if events:
            self._some.set()

    def waiting(self) -> list[Event]:
        """What has not been taken yet."""
        with self._lock:
            return [*self._waiting]

    def status(self) -> ReceiverStatus:
        """Of this moment."""
        with self._lock:
            place, waiting, given_up = self.receiver.address.shown, len(self._waiting), dict(self._given_up)
            return ReceiverStatus(self.receiver.kind, place, self._sent, waiting, given_up, self._trouble)

    def close(self, seconds: float) -> None:
        """Try once more what waits, for so long at most."""
        self._closing.set()
        self._some.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._deliver()
            if self._failures:
                self._closing.wait(max(0.0, self._again_at - monotonic()))
            else:
                self._some.wait(max(0.0, self._remind_at - monotonic()) if self.receiver.every else None)
                self._some.clear()
        self._deliver()

    def _deliver(self) -> None:
        """All that waits, in order, until one is not taken."""
        try:
            while (event := self._first()) is not None:
                self._tell(event)
            self._remind()
        except DeliveryError as error:
            self._failed(str(error), error.after)
        except Exception as error:  # noqa: BLE001  (a fault of ours, whose words may hold secrets)
            place = traceback.extract_tb(error.__traceback__)[-1]
            self._failed(f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}", None)
        else:
            self._failures = 0

    def _failed(self, why: str, after: float | None) -> None:
        self._failures += 1
        pause = min(LONGEST_PAUSE, 2.0 ** min(self._failures - 1, 10))
        self._again_at = monotonic() + max(pause, min(after or 0.0, LONGEST_ASKED))
        self._say(why, "it is tried again")

    def _first(self) -> Event | None:
        with self._lock:
            while self._waiting and time() - seconds_of(self._waiting[0].time) > OLDEST_SECONDS:
                self._waiting.popleft()
                self._given_up["older than a day"] += 1
            return self._waiting[0] if self._waiting else None

    def _tell(self, event: Event) -> None:
        try:
            self.receiver.tell(event)
        except DeliveryError as error:
            if not error.final:
                raise
            with self._lock:
                self._given_up[str(error)] += 1
            self._say(str(error), "it is given up")
        else:
            self._sent += 1
            self._trouble = None
        with self._lock:
            if self._waiting and self._waiting[0] is event:  # it may have had to make room
                self._waiting.popleft()

    def _remind(self) -> None:
        if self.receiver.every is None or monotonic() < self._remind_at:
            return
        if standing := self._standing:
            self.receiver.remind(standing)
            self._trouble = None
        self._remind_at = monotonic() + self.receiver.every

    def _say(self, why: str, then: str) -> None:
        """Once, as long as it is the same."""
        if why != self._trouble:
            self._trouble = why
            log.warning(f"the {self.receiver.kind} {self.receiver.address.shown} does not take an alert: {why}; {then}")
