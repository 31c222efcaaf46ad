"""One trial in whatever process an executor has for it: an ordinary run folder, begun or gone on with."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from eyas.compare.job import dataset_of, where_it_began
from eyas.core.errors import DataError, EyasError
from eyas.core.runs import RunFolder
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.track.trackers import make_trackers
from eyas.train import Callback, EpochEnd, EpochRow, RunStart, TrainResult, resume_run, start_run
from eyas.train.run import can_begin_with
from eyas.tune.executors.contract import Ended, EpochDone, Event, Failed, TrialJob

Say = Callable[[Event], None]


def train_trial(
    job: TrialJob, runs: Path, say: Say, stop: Callable[[], bool], *, senders: bool = True
) -> Ended | Failed:
    """Train as far as the job says.

    Args:
        runs: the folder of run folders.
        say: called at every epoch, when all that it wrote is in the run folder.
        stop: asked at every step; the run then stops at a checkpoint.
        senders: whether trackers are told from here, or only the run's spool.
    """
    try:
        return _train(job, runs, say, stop, senders)
    except EyasError as error:
        return Failed(job.number, str(error), unreadable=isinstance(error, DataError))
    except (RuntimeError, MemoryError, ValueError, OSError) as error:  # torch's own: out of memory, a shape
        return Failed(job.number, f"{type(error).__name__}: {error}")


def _train(job: TrialJob, runs: Path, say: Say, stop: Callable[[], bool], senders: bool) -> Ended:
    run, dataset = RunFolder(runs / job.run), dataset_of(job.config.data)
    config = _config(job, run, runs, dataset)
    callbacks = [*make_trackers(config.track, job.family, senders=senders), Stream(job, say), StopWhen(stop)]
    if run.config_file.exists():
        result = resume_run(run, dataset, callbacks, where_it_began(config, run), job.until)
    else:
        shutil.rmtree(run.path, ignore_errors=True)  # a kill came before its configuration
        result = start_run(config, dataset, callbacks, run.path, job.until)
    return ended_of(job, result)


def ended_of(job: TrialJob, result: TrainResult) -> Ended:
    """What is said of a run that has paused, is over or was stopped."""
    return Ended(
        number=job.number,
        epochs=len(result.history),
        value=kept_value(result.history, job.metric, rising=job.rising),
        seconds=sum(row.seconds for row in result.history if row.epoch > job.after),
        stopped=not (result.finished or result.paused),
    )


def _config(job: TrialJob, run: RunFolder, runs: Path, dataset: Dataset) -> Config:
    """Of the run. One that goes on keeps what it began with; a new one begins with the giver's weights if they fit."""
    config = job.config.model_copy(update={"runs_dir": str(runs)})
    beginning = config.train.start_from
    if run.config_file.exists():
        beginning = run.config().train.start_from
    elif job.start_from and can_begin_with(RunFolder(runs / job.start_from), config, dataset):
        beginning = str(runs / job.start_from)
    return config.model_copy(update={"train": config.train.model_copy(update={"start_from": beginning})})


def kept_value(history: Sequence[EpochRow], metric: str, *, rising: bool) -> float | None:
    """Of the weights that a run keeps: the best of its epochs."""
    values = [row.value(metric) for row in history]
    return (max if rising else min)(values, default=None)


class Stream(Callback):
    """Says the value of the kept weights after each epoch."""

    def __init__(self, job: TrialJob, say: Say) -> None:
        self._job, self._say = job, say

    def on_start(self, start: RunStart) -> None:
        """Say what earlier processes trained of this trial: they may not have been heard."""
        self._history = list(start.history)
        for epoch in range(self._job.after + 1, len(self._history) + 1):
            self._tell(self._history[:epoch])

    def on_epoch(self, end: EpochEnd) -> None:
        """Say it."""
        self._history.append(end.row)
        self._tell(self._history)

    def _tell(self, history: Sequence[EpochRow]) -> None:
        value = kept_value(history, self._job.metric, rising=self._job.rising)
        if value is not None:
            self._say(EpochDone(self._job.number, len(history), value))


class StopWhen(Callback):
    """Stops the run at a checkpoint, as Ctrl-C does; once, for a second one would end the process."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        self._stop, self._stopped = stop, False

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        """Look."""
        if not self._stopped and self._stop():
            self._stopped = True
            signal.raise_signal(signal.SIGINT)
