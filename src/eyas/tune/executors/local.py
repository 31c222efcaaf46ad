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
    """

    def __init__(self, runs: Path, workers: int, *, carried: bool = False) -> None:
        self._runs, self._count, self._carried = runs.absolute(), workers, carried
        self._workers: list[_Worker] = []

    @property
    def free(self) -> int:
        """Processes without a job, and those that are not started yet."""
        return self._count - sum(worker.job is not None for worker in self._workers)

    def submit(self, job: TrialJob) -> None:
        """To a process that waits, else to a new one."""
        worker = next((one for one in self._workers if one.job is None and one.alive), None)
        if worker is None:
            worker = _Worker(self._runs, carried=self._carried)
            self._workers.append(worker)
        worker.give(job)

    def events(self, seconds: float) -> Sequence[Event]:
        """What the processes said, and which of them are gone."""
        speakers = {worker.pipe: worker for worker in self._workers}
        found: list[Event] = []
        for pipe in wait(list(speakers), seconds):
            found += speakers[pipe].heard()  # type: ignore[index]
        self._workers = [worker for worker in self._workers if worker.alive]
        return found

    def stop(self) -> Sequence[Event]:
        """Each stops at its next step."""
        for worker in self._workers:
            worker.stop()
        found: list[Event] = []
        while any(worker.job is not None for worker in self._workers):
            found += self.events(1.0)
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
        self.job: TrialJob | None = None
        self.alive = True

    def give(self, job: TrialJob) -> None:
        """Send it a job; if it has gone, `heard` will say so."""
        self.job = job
        with suppress(OSError):
            self.pipe.send(job)

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
                    self.job = None
        except (EOFError, OSError):
            found += self._gone()
        return found

    def _gone(self) -> list[Event]:
        self.alive = False
        self.process.join()
        self.pipe.close()
        job, self.job = self.job, None
        code = self.process.exitcode or 0
        how = f"signal {-code}, perhaps for want of memory" if code < 0 else f"exit code {code}"
        return [Lost(job.number, f"its process was ended from outside ({how})")] if job else []


def work(pipe: Connection, runs: Path, carried: bool) -> None:
    """The process: train what comes, until the pipe is closed."""
    os.setpgrp()  # a Ctrl-C of the terminal would reach a run that installs its own handler
    jobs: SimpleQueue[TrialJob] = SimpleQueue()
    stopping = Flag()
    Thread(target=_listen, args=(pipe, jobs, stopping), daemon=True).start()
    while True:
        job = jobs.get()
        say = _with_files(pipe, job, runs) if carried else pipe.send
        ended = train_trial(job, runs, say, stopping.is_set, senders=not carried)
        if isinstance(ended, Ended) and ended.stopped and not stopping.is_set():
            os._exit(1)  # somebody interrupted this process alone: let the trial be given out again
        say(ended)


def _with_files(pipe: Connection, job: TrialJob, runs: Path) -> Say:
    """Say what was written before what happened; training waits, so the files belong together."""
    changes = Changes(runs / job.run)

    def say(event: Event) -> None:
        pipe.send(RunFiles(job.number, job.run, changes.take()))
        pipe.send(event)

    return say


def _listen(pipe: Connection, jobs: SimpleQueue[TrialJob], stopping: Flag) -> None:
    """Hear of jobs, of the wish to stop, and of the coordinator's end."""
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            os._exit(0)
        if message == STOP:
            stopping.set()
        else:
            jobs.put(message)
