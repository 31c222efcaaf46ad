"""Trials on the nodes of a Ray cluster. Run folders stay where the study is; what a node writes comes back each epoch.

coordinator ── job, run folder ─►  Node (an actor) ─► a process that trains
            ◄─ events, new files ─

A node that dies takes nothing with it but the epoch under way: its trial goes on elsewhere from the files that came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from eyas.core.errors import TrainingError
from eyas.core.marks import RUN
from eyas.core.schema import Config
from eyas.tune.executors.carrying import Files, read_files, write_files
from eyas.tune.executors.cluster import connect, has_gpus, places
from eyas.tune.executors.contract import Ended, Event, Failed, Lost, RunFiles, TrialJob
from eyas.tune.executors.node import Node
from eyas.tune.executors.sending import Senders

LISTEN_SECONDS = 1.0
PLACING_SECONDS = 10.0
"""For a node to begin a job; then a place that is free has it sooner."""
GIVEN = (RUN, "best.pt")
"""Of the run whose weights another begins with."""


@dataclass
class _Place:
    """One actor, and what it was last asked."""

    actor: Any
    job: TrialJob | None = None
    call: Any = None
    begun: bool = False
    """Whether its job is on a node: an actor waits where there is no room for it."""
    since: float = 0.0
    """When it was given the job, by the monotonic clock."""


class RayExecutor:
    """Jobs on so many actors; each has its CPUs, and a GPU where the cluster has any.

    Args:
        runs: the study's folder of runs.
        address: as of `connect`.
        base: the baseline's configuration: it has the threads and the device.
        workers: trials at once. None: as many as there is room for.

    Raises:
        ConfigError, MissingExtraError, TrainingError: as of `connect` and `places`.
    """

    def __init__(self, runs: Path, address: str, base: Config, workers: int | None = None) -> None:
        connect(address)
        import ray

        self._ray, self._runs = ray, runs.absolute()
        gpu = base.train.device != "cpu" and has_gpus()
        threads = base.train.threads or 1
        self._count = min(places(threads, gpu=gpu), workers or places(threads, gpu=gpu))
        self._node = ray.remote(num_cpus=threads, num_gpus=int(gpu), max_restarts=0, max_task_retries=0)(Node)
        self._places: list[_Place] = []
        self._senders = Senders()
        self._stopping = False

    @property
    def free(self) -> int:
        """Places without a job, and those that are not made yet."""
        return self._count - len(self._busy())

    def submit(self, job: TrialJob) -> None:
        """To an actor that waits, else to a new one."""
        place = next((one for one in self._places if one.job is None), None)
        if place is None:
            place = _Place(self._node.remote(str(Path.cwd()), str(self._runs)))
            self._places.append(place)
        self._give(place, job)

    def events(self, seconds: float) -> Sequence[Event]:
        """What the nodes said, and which of them are gone.

        Raises:
            TrainingError: a node has no eyas, or cannot read the data.
        """
        calls = {one.call: one for one in self._busy()}
        if not calls:
            return []
        self._ray.wait(list(calls), num_returns=1, timeout=seconds)
        ready, _ = self._ray.wait(list(calls), num_returns=len(calls), timeout=0)
        found = [event for call in ready for event in self._answer(calls[call])]
        self._hand_over()
        return found

    def stop(self) -> Sequence[Event]:
        """Each stops at its next step. One that no node had room for has nothing to stop."""
        for place in self._busy():
            if not place.begun:
                self._drop(place)
        self._stopping = True
        found: list[Event] = []
        while self._busy():
            found += self.events(LISTEN_SECONDS)
        self._stopping = False
        return found

    def close(self) -> None:
        """End the actors, and leave the cluster."""
        for place in list(self._places):
            self._drop(place)
        self._senders.close()
        self._ray.shutdown()

    def _busy(self) -> list[_Place]:
        return [one for one in self._places if one.job is not None]

    def _give(self, place: _Place, job: TrialJob) -> None:
        place.job, place.begun, place.since = job, False, monotonic()
        place.call = place.actor.submit.remote(job, self._folders(job))

    def _hand_over(self) -> None:
        """Jobs that wait for room go where it is: actors that have nothing to do keep their CPUs."""
        idle = [one for one in self._places if one.job is None]
        late = [one for one in self._busy() if not one.begun and monotonic() - one.since > PLACING_SECONDS]
        for place, other in zip(idle, late, strict=False):
            job = other.job
            self._drop(other)
            if job:
                self._give(place, job)

    def _folders(self, job: TrialJob) -> Mapping[str, Files]:
        found = {job.run: read_files(self._runs / job.run)}
        if job.start_from:
            giver = read_files(self._runs / job.start_from)
            found[job.start_from] = {name: giver[name] for name in GIVEN if name in giver}
        return found

    def _answer(self, place: _Place) -> list[Event]:
        """One answer of an actor, and the next question."""
        job = place.job
        if job is None:
            return []
        try:
            said: Sequence[Event] = self._ray.get(place.call)
        except self._ray.exceptions.RayTaskError as error:  # the actor is there, and cannot
            self._drop(place)
            self._senders.end(self._runs / job.run)
            return [Failed(job.number, f"its node cannot train it: {str(error).strip().splitlines()[-1]}")]
        except self._ray.exceptions.RayError as error:
            return [self._lost(place, job, error)]
        found = [event for event in said if not self._take_in(event)]
        if any(isinstance(event, Ended | Failed | Lost) for event in found):
            place.job = None
            self._senders.end(self._runs / job.run)
        else:
            place.begun = True
            ask = place.actor.stop if self._stopping else place.actor.events
            place.call = ask.remote() if self._stopping else ask.remote(LISTEN_SECONDS)
        return found

    def _take_in(self, event: Event) -> bool:
        """Write the files that came; whether the event was no more than that."""
        if isinstance(event, Failed) and event.unreadable:
            raise TrainingError(
                f"a node of the cluster cannot read the dataset: {event.cause}; data.source must be readable on every "
                "node, by the same path"
            )
        if not isinstance(event, RunFiles):
            return False
        write_files(self._runs / event.run, event.files)
        self._senders.begin(self._runs / event.run)
        return True

    def _lost(self, place: _Place, job: TrialJob, error: Exception) -> Lost:
        lines = str(error).strip().splitlines()
        if "creation task" in lines[0]:
            raise TrainingError(f"a node cannot begin; eyas must be installed on each, of one version ({lines[-1]})")
        self._drop(place)
        self._senders.end(self._runs / job.run)
        return Lost(job.number, f"its node is gone ({type(error).__name__}: {lines[0]})", machine=True)

    def _drop(self, place: _Place) -> None:
        """Kill the actor. One that Ray calls gone may yet be there, and must not train beside the next."""
        self._ray.kill(place.actor)
        self._places.remove(place)
        place.job = None
