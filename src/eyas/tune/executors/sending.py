"""Trackers told of runs that other machines train, from the spools that come back."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

from eyas.track.delivery.process import Delivery, finish, wanted, warn
from eyas.track.delivery.spool import Spool


class Senders:
    """The senders of the runs that are under way."""

    def __init__(self) -> None:
        self._sending: dict[Path, list[Delivery]] = {}
        self._last_rounds: list[Thread] = []

    def begin(self, run: Path) -> None:
        """Files of this run have come; one that is not tracked has no spool."""
        if run not in self._sending and (trackers := wanted(Spool(run).trackers())):
            self._sending[run] = [Delivery(Spool(run), tracker) for tracker in trackers]

    def end(self, run: Path) -> None:
        """No more files come for now. The rest is sent while the search goes on."""
        if deliveries := self._sending.pop(run, None):
            self._last_rounds.append(Thread(target=_finish, args=(run, deliveries)))
            self._last_rounds[-1].start()

    def close(self) -> None:
        """Wait for all."""
        for run in list(self._sending):
            self.end(run)
        for thread in self._last_rounds:
            thread.join()


def _finish(run: Path, deliveries: list[Delivery]) -> None:
    for outcome in finish(deliveries):
        warn(outcome, run)
