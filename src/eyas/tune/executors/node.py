"""What runs on a node of a cluster: one training process, in a folder of the node's own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from eyas.core.marks import RUN
from eyas.tune.executors.carrying import Files, replace_folder
from eyas.tune.executors.contract import Event, RunFiles, TrialJob
from eyas.tune.executors.local import LocalExecutor

NAMING_RUNS = (RUN, "track/records.jsonl")
"""Files of a run folder in which the folder's own path stands."""


class Node:
    """A place for one trial at a time. Run folders come with the jobs and go back with the events.

    Args:
        home: the coordinator's working folder. Where this node has it too, relative paths of the configuration hold.
        runs: the study's folder of runs, where the coordinator is.
    """

    def __init__(self, home: str, runs: str) -> None:
        with suppress(OSError):
            os.chdir(home)
        self._folder = TemporaryDirectory(prefix="eyas-tune-")
        self._here, self._there = self._folder.name.encode(), runs.encode()
        self._local = LocalExecutor(Path(self._folder.name), 1, carried=True)

    def submit(self, job: TrialJob, folders: Mapping[str, Files]) -> Sequence[Event]:
        """Begin a trial.

        Args:
            job: the trial.
            folders: run folders that it goes on with or begins with, by name.
        """
        for run, files in folders.items():
            replace_folder(Path(self._folder.name) / run, files)
        self._local.submit(job)
        return ()

    def events(self, seconds: float) -> Sequence[Event]:
        """As an executor's."""
        return [self._as_there(event) for event in self._local.events(seconds)]

    def stop(self) -> Sequence[Event]:
        """As an executor's."""
        return [self._as_there(event) for event in self._local.stop()]

    def _as_there(self, event: Event) -> Event:
        """With the study's folder in place of this node's."""
        if not isinstance(event, RunFiles):
            return event
        named = {
            name: event.files[name].replace(self._here, self._there) for name in NAMING_RUNS if name in event.files
        }
        return replace(event, files={**event.files, **named})
