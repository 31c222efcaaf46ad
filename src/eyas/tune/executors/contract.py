"""What an executor is given, and what it answers. All of it can be pickled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from eyas.core.schema import Config
from eyas.track.describe import Family


@dataclass(frozen=True)
class TrialJob:
    """One trial to be trained, or gone on with, up to an epoch."""

    number: int
    run: str
    """Name of its run folder. Where that is, the executor decides; the same name is the same folder."""
    config: Config
    """Without `runs_dir`, which is the executor's."""
    until: int
    """Epoch of the run after which it pauses."""
    after: int
    """Epochs that belong to earlier trials of the same run."""
    metric: str
    rising: bool
    family: Family | None = None
    start_from: str | None = None
    """Run folder, of the executor's, whose weights a new run begins with where the networks are the same."""


@dataclass(frozen=True)
class EpochDone:
    """A trial has finished an epoch."""

    number: int
    epoch: int
    value: float
    """Of the weights that the run keeps so far."""


@dataclass(frozen=True)
class Ended:
    """A trial has paused, or its run is over, or it was stopped."""

    number: int
    epochs: int
    value: float | None
    """None where not one epoch was finished."""
    seconds: float
    """Of the trial's own epochs."""
    stopped: bool
    """At a checkpoint, because the executor was to stop."""


@dataclass(frozen=True)
class Failed:
    """A trial cannot be trained."""

    number: int
    cause: str
    unreadable: bool = False
    """Because of the data."""


@dataclass(frozen=True)
class Lost:
    """The process that trained it has ended, and nobody asked it to. The run can go on from its checkpoint."""

    number: int
    cause: str
    machine: bool = False
    """The machine itself is gone, which says little of the trial."""


@dataclass(frozen=True)
class RunFiles:
    """What a trial on another machine has written since it last said so. Only executors hear of it."""

    number: int
    run: str
    files: Mapping[str, bytes]
    """Path in the run folder → content."""


Event = EpochDone | Ended | Failed | Lost | RunFiles


class Executor(Protocol):
    """Trains several trials at once."""

    @property
    def free(self) -> int:
        """Jobs that would begin at once."""
        ...

    def submit(self, job: TrialJob) -> None:
        """Begin one; only where `free` is above 0."""
        ...

    def events(self, seconds: float) -> Sequence[Event]:
        """What has happened since the last call; waits at most so long for the first."""
        ...

    def stop(self) -> Sequence[Event]:
        """Stop all that runs at checkpoints, and wait.

        Returns:
            What has happened since, an end for each trial that had begun among it.
        """
        ...

    def close(self) -> None:
        """End every process. What still runs goes on from its last checkpoint another time."""
        ...
