"""The sender as training sees it: started, left alone, waited for within bounds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread
from time import monotonic
from typing import IO, Any, TypeVar

from eyas.core import console
from eyas.core.processes import start_module
from eyas.track.delivery.sender import SINKS
from eyas.track.delivery.sink import END, STARTING
from eyas.track.delivery.spool import Delivered, Spool
from eyas.track.delivery.to_wandb import is_wanted

EXITING = 10.0
"""Seconds for a sender to be gone after its last word: wandb takes its service down."""
Name = TypeVar("Name", bound=str)


@dataclass(frozen=True)
class Outcome:
    """What came of a delivery."""

    tracker: str
    left: int
    """Records that wait in the spool."""
    error: str | None
    """Why."""
    refused: str | None
    """What the store will never take."""


class Delivery:
    """One tracker's sender for one run. A process, not a thread: it can be ended whatever hangs in it, and importing
    MLflow takes a second that training would feel."""

    def __init__(self, spool: Spool, tracker: str) -> None:
        self._spool, self._tracker = spool, tracker
        self._heard: dict[str, Any] = {"patience": STARTING}
        self._at = monotonic()
        self._news = Condition()
        self._ended = False
        with (spool.folder / f"{tracker}.log").open("ab") as log:
            self._process = start_module(
                "eyas.track.delivery.sender",
                str(spool.run),
                tracker,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # a group of its own, which can be ended whole: wandb has children
            )
        Thread(target=self._listen, args=(self._process.stdout,), daemon=True).start()

    def close(self) -> None:
        """Tell it that nothing more comes."""
        with self._news:
            self._at = monotonic()
        if self._process.stdin and not self._process.stdin.closed:
            with suppress(BrokenPipeError), self._process.stdin as sender:
                sender.write(END)  # a forked process may hold the pipe open beside us

    def finish(self) -> Outcome:
        """Wait while it delivers what is left, as long as it tells of progress, and end it."""
        with self._news:
            while not self._ended and (rest := self._at + self._heard["patience"] - monotonic()) > 0:
                self._news.wait(rest)
            ended = self._ended
        code = self._wait(EXITING) if ended else None
        if code is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._wait(EXITING)
        left = _left(self._spool, self._tracker)
        reason = self._heard.get("error") or (f"its sender ended (exit code {code})" if ended else "no answer")
        return Outcome(self._tracker, left, reason if left else None, self._heard.get("refused"))

    def _wait(self, seconds: float) -> int | None:
        """The exit code; None where it does not end: its last breath hangs, or the kernel holds it."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def _listen(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                with self._news:
                    self._heard |= json.loads(line)
                    if not self._heard.get("error"):
                        self._at = monotonic()  # progress; another failure is none
                    self._news.notify()
        with self._news:
            self._ended = True
            self._news.notify()


def deliver(spool: Spool) -> list[Outcome]:
    """Send what waits in the spool to every tracker of the run, all at once. One that has everything is not asked."""
    trackers = wanted(spool.trackers())
    sent = finish([Delivery(spool, tracker) for tracker in trackers if _left(spool, tracker)])
    by_tracker = {outcome.tracker: outcome for outcome in sent}
    return [by_tracker.get(tracker, Outcome(tracker, 0, None, None)) for tracker in trackers]


def _left(spool: Spool, tracker: str) -> int:
    """Records that wait in the spool."""
    return len(spool.lines()) - Delivered(spool, tracker, SINKS[tracker].store(spool)).lines


def wanted(trackers: Iterable[Name]) -> list[Name]:
    """Without those that the environment switches off."""
    return [name for name in trackers if name != "wandb" or is_wanted()]


def finish(deliveries: Sequence[Delivery]) -> list[Outcome]:
    """Close and wait for all at once: two that hang take no longer than one."""
    for delivery in deliveries:
        delivery.close()
    return [delivery.finish() for delivery in deliveries]


def warn(outcome: Outcome, run: Path) -> None:
    """One line on standard error where something could not be sent."""
    if outcome.error:
        console.warn(
            f"{outcome.tracker}: {outcome.left} records are not delivered ({outcome.error}); they wait in "
            f"{run}/track: eyas track sync {run}"
        )
    warn_of_refusal(outcome)


def warn_of_refusal(outcome: Outcome) -> None:
    """One line on standard error where the store will never take something."""
    if outcome.refused:
        console.warn(f"{outcome.tracker} took all but what it refuses: {outcome.refused}")
