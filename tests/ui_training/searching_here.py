"""A search in this process: each process of its own would load torch anew."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from eyas.core.schema import Config
from eyas.tune.executors.contract import Event, TrialJob
from eyas.tune.executors.training import train_trial


class Here:
    """One trial at a time, each to its end."""

    free = 1

    def __init__(self, runs: Path, base: Config) -> None:
        self._runs = runs
        self._told: list[Event] = []

    def submit(self, job: TrialJob) -> None:
        self._told.append(train_trial(job, self._runs, self._told.append, lambda: False))

    def events(self, seconds: float) -> Sequence[Event]:
        told, self._told = self._told, []
        return told

    def stop(self) -> Sequence[Event]:
        return self.events(0.0)

    def close(self) -> None:
        """There is no process."""


class Unseen(nullcontext[Any]):
    """Nobody watches the search."""

    def show(self, *told: Any) -> None:
        pass

    def ended(self, *told: Any) -> None:
        pass
