"""Processes on this machine. Each keeps torch and the dataset loaded from one trial to the next.

Coordinator and process speak through a pipe of their own, so that one that is killed can block nobody else. A process
whose pipe is closed from the other side ends: the coordinator is gone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from time import monotonic

from eyas.tune.executors.carrying import Changes
from eyas.tune.executors.contract import Ended, Event, Failed, Lost, RunFiles, TrialJob
from eyas.tune.executors.together import first_group, train_group
from eyas.tune.executors.training import Say, train_trial

STOP = "stop"
EXITING = 5.0
"""Seconds that an idle process has to end."""


class LocalExecutor:
    """Jobs on so many processes.

    Args:
        runs: where run folders are.
        workers: processes; started when they are first needed.
        carried: whether `runs` is not the study's own: an event then comes after the files that were written before it,
            and trackers are told from where the study is.
        together: jobs of one process, which trains those that are alike as one program.
    """

    def __init__(self, runs: Path, workers: int, *, carried: bool = False, together: int = 1) -> None:
        self._runs, self._count, self._carried = runs.absolute(), workers, carried
        self._together = together
        self._workers: list[_Worker] = []
        self._waiting: list[TrialJob] = []
        self._alone: set[int] = set()

    @property
    def free(self) -> int:
        """Places in processes, those that are not started yet among them."""
        return self._count * self._together - len(self._waiting) - sum(len(worker.jobs) for worker in self._workers)

    def submit(self, job: TrialJob) -> None:
        """It begins at once, or, where others may come to be trained with it, at the next call of `events`."""
        self._waiting.append(job)
        if self._together == 1:
            self._hand_out()

    def events(self, seconds: float) -> Sequence[Event]:
        """What the processes said, and which of them are gone."""
        self._hand_out()
        return self._listen(seconds)

    def _hand_out(self) -> None:
        """Groups of the jobs that wait, to processes that wait, else to new ones."""
        while self._waiting:
            worker = next((one for one in self._workers if not one.jobs and one.alive), None)
            if worker is None and len(self._workers) == self._count:
                return
            if worker is None:
                worker = _Worker(self._runs, carried=self._carried)
                self._workers.append(worker)
            group = first_group(self._waiting, self._together, self._alone)
            self._waiting = [job for job in self._waiting if job not in group]
            worker.give(group)

    def _listen(self, seconds: float) -> Sequence[Event]:
        speakers = {worker.pipe: worker for worker in self._workers}
        found: list[Event] = []
        for pipe in wait(list(speakers), seconds):
            found += speakers[pipe].heard()  # type: ignore[index]
        self._workers = [worker for worker in self._workers if worker.alive]
        self._alone |= {event.number for event in found if isinstance(event, Lost)}
        return found

    def stop(self) -> Sequence[Event]:
        """Each stops at its next step; what waits never begins."""
        self._waiting = []
        for worker in self._workers:
            worker.stop()
        found: list[Event] = []
        while any(worker.jobs for worker in self._workers):
            found += self._listen(1.0)
        return found

    def close(self) -> None:
        """Close the pipes; a process that does not end by itself is killed."""
        for worker in self._workers:
            worker.pipe.close()
        deadline = monotonic() + EXITING
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers = []


class _Worker:
    """One process and its pipe."""

    def __init__(self, runs: Path, *, carried: bool) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, runs, carried), daemon=True)
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: Ctrl-C is the coordinator's, which stops us
        try:
            self.process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        theirs.close()
        self.jobs: list[TrialJob] = []
        self.alive = True

    def give(self, jobs: list[TrialJob]) -> None:
        """Send it a group; if it has gone, `heard` will say so."""
        self.jobs = jobs
        with suppress(OSError):
            self.pipe.send(jobs)

    def stop(self) -> None:
        """Ask it to stop what it does."""
        with suppress(OSError):
            self.pipe.send(STOP)

    def heard(self) -> list[Event]:
        """All that waits in the pipe."""
        found: list[Event] = []
        try:
            while self.pipe.poll():
                event: Event = self.pipe.recv()
                found.append(event)
                if isinstance(event, Ended | Failed):
                    self.jobs = [job for job in self.jobs if job.number != event.number]
        except (EOFError, OSError):
            found += self._gone()
        return found

    def _gone(self) -> list[Event]:
        self.alive = False
        self.process.join()
        self.pipe.close()
        jobs, self.jobs = self.jobs, []
        code = self.process.exitcode or 0
        how = f"signal {-code}, perhaps for want of memory" if code < 0 else f"exit code {code}"
        return [Lost(job.number, f"its process was ended from outside ({how})") for job in jobs]


def work(pipe: Connection, runs: Path, carried: bool) -> None:
    """The process: train what comes, until the pipe is closed."""
    os.setpgrp()  # a Ctrl-C of the terminal would reach a run that installs its own handler
    groups: SimpleQueue[list[TrialJob]] = SimpleQueue()
    stopping = Flag()
    Thread(target=_listen, args=(pipe, groups, stopping), daemon=True).start()
    while True:
        jobs = groups.get()
        if len(jobs) > 1:
            say: Say = pipe.send
            ended = train_group(jobs, runs, say, stopping.is_set)
        else:
            say = _with_files(pipe, jobs[0], runs) if carried else pipe.send
            ended = [train_trial(jobs[0], runs, say, stopping.is_set, senders=not carried)]
        if any(isinstance(one, Ended) and one.stopped for one in ended) and not stopping.is_set():
            os._exit(1)  # somebody interrupted this process alone: let its trials be given out again
        for one in ended:
            say(one)


def _with_files(pipe: Connection, job: TrialJob, runs: Path) -> Say:
    """Say what was written before what happened; training waits, so the files belong together."""
    changes = Changes(runs / job.run)

    def say(event: Event) -> None:
        pipe.send(RunFiles(job.number, job.run, changes.take()))
        pipe.send(event)

    return say


def _listen(pipe: Connection, groups: SimpleQueue[list[TrialJob]], stopping: Flag) -> None:
    """Hear of jobs, of the wish to stop, and of the coordinator's end."""
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            os._exit(0)
        if message == STOP:
            stopping.set()
        else:
            groups.put(message)
