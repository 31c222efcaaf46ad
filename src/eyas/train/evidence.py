"""What a diagnosis is made from, gathered from run folders and their dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import ConfigError, DataError
from eyas.core.runs import RunFolder
from eyas.data import CheckReport, Dataset, Split, check_dataset
from eyas.diagnose.evidence import Answers, Evidence, SeedAnswers
from eyas.diagnose.history import History, read_history
from eyas.diagnose.shift import thumbnails
from eyas.nn import Network
from eyas.train.evaluation import answer, open_network
from eyas.train.run import is_finished

# The training error is known to 0.5 % from this many images, and a network on a CPU answers for them in seconds.
TRAIN_IMAGES = 10_000
THUMBNAILS = 2_000


def gather_evidence(runs: Sequence[RunFolder], dataset: Dataset, *, reference_error: float | None = None) -> Evidence:
    """Answers on training and validation images, learning curves, and how the splits compare.

    The test split gives its pixels and the number of each class; its labels are not compared with any answer.

    Args:
        runs: the one to diagnose, then others that differ from it by nothing but their seed.
        dataset: theirs.
        reference_error: of a person, or the least possible one.

    Raises:
        ConfigError: runs that differ by more than their seed.
        DataError: no validation split, no finished epoch, or another dataset.
    """
    first = runs[0]
    for run in runs:
        require_finished_epoch(run)
    if not len(dataset.val):
        raise DataError(
            f"a diagnosis needs a validation split, and {first.path} was trained without one; train it again with "
            "data.val_fraction=0.1"
        )
    _require_same_but_seed(runs)
    return evidence_of(
        first,
        dataset,
        [seed_answers(open_network(run, dataset)[0], dataset) for run in runs],
        history=read_history(first.history),
        check=check_dataset(first.config().data),
        finished=is_finished(first, dataset),
        reference_error=reference_error,
    )


def evidence_of(
    run: RunFolder,
    dataset: Dataset,
    seeds: Sequence[SeedAnswers],
    *,
    history: History,
    check: CheckReport,
    finished: bool,
    reference_error: float | None = None,
) -> Evidence:
    """`gather_evidence` where the run has been looked at already."""
    return Evidence(
        run=run.path,
        config=run.config(),
        history=history,
        seeds=seeds,
        class_counts=_counts(dataset.train, dataset),
        thumbnails={
            split.name: thumbnails(split.take(_sample(split, THUMBNAILS))) for split in dataset.splits if len(split)
        },
        finished=finished,
        shares={split.name: _counts(split, dataset) for split in dataset.splits},
        leaks=_leaks(check, dataset),
        reference_error=reference_error,
    )


def seed_answers(network: Network, dataset: Dataset, val: Answers | None = None) -> SeedAnswers:
    """What a run's best network says of training and validation images; `val` where it has been asked already."""
    rows = _sample(dataset.train, TRAIN_IMAGES)
    train = Split("train", dataset.train.images, dataset.train.rows[rows], dataset.train.labels[rows])
    return SeedAnswers(answer(network, train), val or answer(network, dataset.val))


def require_finished_epoch(run: RunFolder) -> None:
    """Refuse a run that died before there was a network to look at.

    Raises:
        DataError: says how to go on with it.
    """
    if not run.best.exists() or not run.history.exists():
        raise DataError(
            f"{run.path} has no finished epoch, so there is nothing to look at yet; go on with it: "
            f"eyas train --resume {run.path}"
        )


def _require_same_but_seed(runs: Sequence[RunFolder]) -> None:
    seeds = [run.config().train.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"runs that are diagnosed together must have different train.seed, got {seeds}")
    settings = [_without_seed(run) for run in runs]
    for run, other in zip(runs[1:], settings[1:], strict=True):
        if different := sorted(key for key in settings[0] if settings[0][key] != other[key]):
            raise ConfigError(
                f"runs that are diagnosed together must differ by train.seed alone; {run.path} differs from "
                f"{runs[0].path} in {', '.join(different)}"
            )


def _without_seed(run: RunFolder) -> dict[str, Any]:
    """Sections of the configuration that decide what is learnt."""
    values = run.config().model_dump(mode="json")
    values["train"].pop("seed")
    return {key: values[key] for key in ("data", "model", "augment", "train")}


def _sample(split: Split, most: int) -> NDArray[np.int64]:
    """At most so many positions of the split, ascending, the same ones every time."""
    if len(split) <= most:
        return np.arange(len(split))
    return np.sort(np.random.default_rng(0).choice(len(split), most, replace=False))


def _counts(split: Split, dataset: Dataset) -> NDArray[np.int64]:
    return np.bincount(split.labels, minlength=len(dataset.classes)).astype(np.int64)


def _leaks(check: CheckReport, dataset: Dataset) -> dict[str, tuple[int, int]]:
    """What the check of the data found, by split."""
    found = {finding.code: finding.count for finding in check.findings}
    return {
        split.name: (found[f"leaked-{split.name}"], len(split))
        for split in (dataset.val, dataset.test)
        if f"leaked-{split.name}" in found
    }
