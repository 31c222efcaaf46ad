"""Trials that differ in numbers alone, trained as one program where a probe says that it pays."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from eyas.compare.job import dataset_of
from eyas.core.errors import EyasError
from eyas.core.marks import is_run
from eyas.core.runs import RunFolder
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.track.trackers import make_trackers
from eyas.train import Callback, TrainResult
from eyas.train.together import Outcome, can_train_together, resume_together, together_pays, train_together
from eyas.train.together.eligibility import MAY_DIFFER
from eyas.tune.executors.contract import Ended, Failed, TrialJob
from eyas.tune.executors.training import Say, StopWhen, Stream, ended_of, train_trial
from eyas.tune.space import Space

MOST_TOGETHER = 8
"""Models of one program: more of them hardly gain, and wait for each other."""


def program_size(config: Config, space: Space, dataset: Dataset) -> int:
    """Trials that one process is to train as one program; 1 where each is better off alone.

    Args:
        config: of the baseline, with the threads of one process.
        space: what the trials differ in.
    """
    if not all(name in MAY_DIFFER for name in space.dimensions):
        return 1
    return MOST_TOGETHER if together_pays([config] * MOST_TOGETHER, dataset) else 1


def first_group(waiting: Sequence[TrialJob], size: int, alone: Collection[int]) -> list[TrialJob]:
    """The first that waits, and those behind it that can be trained with it.

    Args:
        size: at most so many.
        alone: numbers of trials whose program was ended from outside: each then shows by itself whose fault it was.
    """
    group = [waiting[0]]
    for job in waiting[1:]:
        if len(group) < size and not {group[0].number, job.number} & set(alone) and _alike(group[0], job):
            group.append(job)
    return group


def _alike(one: TrialJob, other: TrialJob) -> bool:
    same = (one.until, one.after, one.start_from) == (other.until, other.after, other.start_from)
    return same and can_train_together([one.config, other.config]) is None


def train_group(jobs: Sequence[TrialJob], runs: Path, say: Say, stop: Callable[[], bool]) -> list[Ended | Failed]:
    """Train several trials as one program, as far as their jobs say; a trial that is alone in its kind by itself.

    Args:
        jobs: such as `first_group` makes.
        runs, say, stop: as `train_trial`.
    """
    begun = [job for job in jobs if is_run(runs / job.run)]
    new = [job for job in jobs if job not in begun]
    for job in new:
        shutil.rmtree(runs / job.run, ignore_errors=True)  # a kill came before its configuration
    found: list[Ended | Failed] = []
    for part in (begun, new):
        if len(part) == 1 or (part and part[0].start_from):
            found += [train_trial(job, runs, say, stop) for job in part]
        elif part:
            found += _train(part, runs, say, stop, begun=part is begun)
    return found


def _train(
    jobs: Sequence[TrialJob], runs: Path, say: Say, stop: Callable[[], bool], *, begun: bool
) -> list[Ended | Failed]:
    dataset, folders = dataset_of(jobs[0].config.data), [runs / job.run for job in jobs]
    stop_when = StopWhen(stop)  # one for all
    each: list[list[Callback]] = [
        [*make_trackers(job.config.track, job.family), Stream(job, say), stop_when] for job in jobs
    ]
    try:
        if begun:
            outcomes = resume_together([RunFolder(path) for path in folders], dataset, each, jobs[0].until)
        else:
            configs = [job.config.model_copy(update={"runs_dir": str(runs)}) for job in jobs]
            outcomes = train_together(configs, dataset, each, folders, jobs[0].until)
    except (EyasError, RuntimeError, MemoryError, ValueError, OSError) as error:
        return [Failed(job.number, f"{type(error).__name__}: {error}") for job in jobs]
    return [_ended(job, outcome) for job, outcome in zip(jobs, outcomes, strict=True)]


def _ended(job: TrialJob, outcome: Outcome) -> Ended | Failed:
    return ended_of(job, outcome) if isinstance(outcome, TrainResult) else Failed(job.number, str(outcome))
