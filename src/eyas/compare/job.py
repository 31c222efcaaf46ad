"""One training of a study, in a process of the pool: an ordinary run folder, and what its kept weights predict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eyas.core import io
from eyas.core.errors import DivergenceError, ResumeError
from eyas.core.marks import is_run
from eyas.core.runs import RunFolder
from eyas.core.schema import Config, DataConfig
from eyas.data import Dataset, open_dataset
from eyas.nn import load_network, run_network
from eyas.track.delivery.spool import Spool
from eyas.track.describe import Family
from eyas.track.trackers import Curves, make_trackers
from eyas.train import Callback, RunEnd, RunStart, prepare_run, resume_run

PREDICTIONS = "predictions.npz"
"""`val`, `test`: (N,) int32 classes predicted by `best.pt`. Written last: a run that has it is done."""
DIVERGED = "diverged.json"

Predicted = dict[str, NDArray[np.int32]]


@dataclass(frozen=True)
class Job:
    """One run to be made or gone on with."""

    config: Config
    """With the seed, the run's name and the study's folder of runs."""
    family: Family


def find_run(config: Config) -> RunFolder | None:
    """The run that was begun for this configuration."""
    root, pattern = Path(config.runs_dir), re.compile(re.escape(str(config.name)) + r"-(\d+)")
    begun = {int(match[1]): path for path in root.glob(f"{config.name}-*") if (match := pattern.fullmatch(path.name))}
    whole = [RunFolder(begun[number]) for number in sorted(begun) if is_run(begun[number])]
    return whole[-1] if whole else None


def is_done(run: RunFolder | None) -> bool:
    """Whether nothing is left to do for it."""
    return run is not None and ((run.path / PREDICTIONS).exists() or (run.path / DIVERGED).exists())


def run_job(job: Job, watchers: Sequence[Callback] = ()) -> bool:
    """Train, or go on, and note what the kept weights predict.

    Returns:
        False where Ctrl-C stopped it.

    Raises:
        ResumeError: the run was begun under another configuration.
    """
    config = job.config
    dataset = dataset_of(config.data)
    run = find_run(config) or prepare_run(config, dataset)
    if is_done(run):
        return True
    callbacks = [*watchers, Prediction(dataset), Curves(), *make_trackers(config.track, job.family)]
    try:
        return resume_run(run, dataset, callbacks, where_it_began(config, run)).finished
    except DivergenceError as error:  # an answer too: the other arms go on
        io.write_json(run.path / DIVERGED, {"reason": str(error)})
        return True


def where_it_began(config: Config, run: RunFolder) -> Config:
    """The configuration with the run's own `runs_dir`: the study's folder may go by another path now, or have moved."""
    return config.model_copy(update={"runs_dir": run.config().runs_dir})


def check_begun(job: Job) -> None:
    """Refuse a run that was begun under other settings.

    Raises:
        ResumeError: names the run.
    """
    run = find_run(job.config)
    if run is not None and run.config() != where_it_began(job.config, run):
        raise ResumeError(f"{run.path} was begun under other settings than the study's now; start a new study")


def read_predictions(run: RunFolder) -> Predicted:
    """What `Prediction` wrote."""
    with np.load(run.path / PREDICTIONS, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


class Prediction(Callback):
    """At the end, what the kept weights predict for validation and test images.

    It comes before the trackers, so that they send the test accuracy with the rest.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def on_start(self, start: RunStart) -> None:
        """Note the run."""
        self._run = start.run

    def on_end(self, end: RunEnd) -> None:
        """Write the predictions, and the accuracies where the run is tracked."""
        if not end.finished:
            return
        network, _ = load_network(self._run)
        splits = {split.name: split for split in (self._dataset.val, self._dataset.test) if len(split)}
        found = {name: run_network(network, split).logits.argmax(1) for name, split in splits.items()}
        accuracies = {f"final_{n}_accuracy": float((found[n] == split.labels).mean()) for n, split in splits.items()}
        spool = Spool(self._run.path)
        if spool.trackers():
            spool.append({"kind": "evaluation", "split": "final", "values": accuracies})
        arrays = {name: predicted.astype(np.int32) for name, predicted in found.items()}
        io.write_with(self._run.path / PREDICTIONS, lambda stream: np.savez(stream, **arrays))


@lru_cache(maxsize=2)
def dataset_of(config: DataConfig) -> Dataset:
    """`open_dataset`, remembered from one run of this process to the next."""
    return open_dataset(config)
