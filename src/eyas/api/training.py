"""A training run, from the command line or from Python: alone, among processes of a launcher, or starting them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from multiprocessing import current_process
from pathlib import Path

from eyas.api.notebook_bar import NotebookBar, in_notebook
from eyas.core import io
from eyas.core.errors import TrainingError
from eyas.core.lives import require_idle
from eyas.core.runs import RunFolder, open_run
from eyas.core.schema import Config
from eyas.data import CheckReport, Dataset
from eyas.track.trackers import Curves, make_trackers
from eyas.train import (
    Callback,
    ProgressBar,
    Remarks,
    RunStart,
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


def require_main_guard() -> None:
    """Refuse to train while Python reads a script again, to start one of the processes that the script asked for.

    Raises:
        TrainingError: so it is.
    """
    if getattr(current_process(), "_inheriting", False):  # what multiprocessing asks before it starts a process
        raise TrainingError(
            "a process that this script started reads the script again, and would do all of it anew: put the calls "
            'under `if __name__ == "__main__":`'
        )


def run_training(
    settings: Config,
    dataset: Dataset,
    resume: Path | None = None,
    target: Path | None = None,
    *,
    report: CheckReport | None = None,
    quiet: bool = False,
) -> TrainResult:
    """Train a new run in `target`, or go on with `resume`, in as many processes as the configuration asks for.

    Args:
        report: what the check of the data has found, where there was one; the run folder keeps it.
        quiet: without a progress bar, in one process.

    Raises:
        ResumeError: another process trains `resume`.
    """
    if resume:
        require_idle(resume)
    if settings.train.workers > 1 and not in_group():
        run = open_run(resume) if resume else prepare_run(settings, dataset, target)
        check_resume(run, dataset, settings)
        if report:
            keep_check(run, report)
        launch(settings, run, watchers)
        return read_result(run, dataset)
    kept = [KeptCheck(report)] if report else []
    callbacks = [*kept, *(quiet_watchers if quiet else watchers)(settings)] if is_main() else ()
    if resume:
        return resume_run(open_run(resume), dataset, callbacks, settings)
    return start_run(settings, dataset, callbacks, target)


class KeptCheck(Callback):
    """Writes what the check of the data has found into the run folder."""

    def __init__(self, report: CheckReport) -> None:
        self._report = report

    def on_start(self, start: RunStart) -> None:
        """Write it."""
        keep_check(start.run, self._report)


def keep_check(run: RunFolder, report: CheckReport) -> None:
    """`data_check.json`: the findings, none where nothing was found."""
    io.write_json(run.data_check, [asdict(finding) for finding in report.findings])


def watchers(settings: Config) -> Sequence[Callback]:
    """What watches every run: the notes, the bar, the curves and the trackers."""
    return [Remarks(), NotebookBar() if in_notebook() else ProgressBar(), Curves(), *make_trackers(settings.track)]


def quiet_watchers(settings: Config) -> Sequence[Callback]:
    """What watches a run where nobody looks on: a search trains dozens, and a picture takes longer than a small run."""
    return make_trackers(settings.track)
