"""A training run as the command line gives it: alone, among processes that a launcher started, or starting them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eyas.core.runs import open_run
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.track.trackers import Curves, make_trackers
from eyas.train import (
    Callback,
    ProgressBar,
    Remarks,
    TrainResult,
    check_resume,
    in_group,
    is_main,
    launch,
    prepare_run,
    read_result,
    resume_run,
    start_run,
)


def run_training(settings: Config, dataset: Dataset, resume: Path | None, target: Path | None) -> TrainResult:
    """Train a new run in `target`, or go on with `resume`, in as many processes as the configuration asks for."""
    if settings.train.workers > 1 and not in_group():
        run = open_run(resume) if resume else prepare_run(settings, dataset, target)
        check_resume(run, dataset, settings)
        launch(settings, run, watchers)
        return read_result(run, dataset)
    callbacks = watchers(settings) if is_main() else ()
    if resume:
        return resume_run(open_run(resume), dataset, callbacks, settings)
    return start_run(settings, dataset, callbacks, target)


def watchers(settings: Config) -> Sequence[Callback]:
    """What watches every run from the command line: the bar, the notes, the curves and the trackers."""
    return [Remarks(), ProgressBar(), Curves(), *make_trackers(settings.track)]
