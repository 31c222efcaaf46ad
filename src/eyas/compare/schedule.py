"""The jobs of a study on the cores of this machine, one thread each. Finished ones are not repeated."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.synchronize import Event
from threading import Thread

from eyas.compare.job import Job, check_begun, find_run, is_done, run_job
from eyas.core import console
from eyas.core.errors import ConfigError, TrainingError
from eyas.core.machine import usable_cores
from eyas.core.schema import TrainConfig
from eyas.train import Callback
from eyas.train.assembly import device_kind


def run_jobs(jobs: Sequence[Job], processes: int | None = None) -> bool:
    """Make all runs that are not done yet, several at once.

    Args:
        jobs: in the order in which they begin.
        processes: at most this many at once; None: by cores, 1 on a GPU.

    Returns:
        False where Ctrl-C stopped them.

    Raises:
        ConfigError: `processes` is less than 1.
        EyasError: the first that a job raised. Those under way stop at a checkpoint.
    """
    for job in jobs:
        check_begun(job)
    left = [job for job in jobs if not is_done(find_run(job.config))]
    if not left:
        return True
    count = min(len(left), process_count(left[0].config.train, processes))
    context = get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(stop,))
    with console.progress(transient=True) as bar:
        task = bar.add_task("runs", total=len(jobs), completed=len(jobs) - len(left), status="")
        futures = {pool.submit(_work, job): job for job in left}
        try:
            for future in as_completed(futures):
                if not _finished(future):
                    return False
                bar.update(task, advance=1, status=str(futures[future].config.name))
        except KeyboardInterrupt:
            return False
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return True


def process_count(config: TrainConfig, wanted: int | None) -> int:
    """How many runs at once: `wanted`, or one for each share of the cores; on a GPU one.

    Raises:
        ConfigError: less than 1 are wanted.
    """
    if wanted is None:
        return 1 if device_kind(config) == "cuda" else max(1, usable_cores() // (config.threads or 1))
    if wanted < 1:
        raise ConfigError(f"--jobs must be at least 1, got {wanted}")
    return wanted


class StopWithStudy(Callback):
    """Stops the run at a checkpoint when the study stops, as Ctrl-C does."""

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        """Look."""
        if _stop is not None and _stop.is_set():
            signal.raise_signal(signal.SIGINT)


_stop: Event | None = None  # of the pool that this process works for


def _begin(stop: Event) -> None:
    """Make ready a process of the pool."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # but while it trains, when Ctrl-C means a checkpoint
    parent = parent_process()
    if parent is not None:  # however that one ends, this one ends too, and its run goes on from a checkpoint
        Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()


def _work(job: Job) -> bool:
    stopped = _stop is not None and _stop.is_set()  # the pool hands out one job ahead
    return False if stopped else run_job(job, [StopWithStudy()])


def _finished(future: Future[bool]) -> bool:
    try:
        return future.result()
    except BrokenProcessPool:
        raise TrainingError(
            "a process of the study was ended from outside, perhaps for want of memory; go on with --resume, "
            "and fewer --jobs"
        ) from None
