"""A search from Python: the study that `eyas tune` makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eyas.core import console
from eyas.core.errors import TrainingError
from eyas.data import Dataset
from eyas.tune.beginning import Wishes, begin_tuning, check_wishes
from eyas.tune.live import LiveTable
from eyas.tune.running import Outcome, tune


def search(
    settings: Mapping[str, Any],
    fixed: Sequence[str],
    dataset: Dataset,
    trials: int | None,
    minutes: float | None,
    seeds: int,
    workers: int | None,
    space: Path | None,
) -> Outcome:
    """Search from its first trial to its results; arguments as in `begin_tuning` and `Classifier.tune`.

    Raises:
        TrainingError: every trial failed, or Ctrl-C stopped the search.
    """
    seed = int(settings.get("train", {}).get("seed", 0))
    wishes = Wishes(trials=trials, minutes=minutes, seeds=seeds, workers=workers, space=space, seed=seed)
    check_wishes(wishes)
    folder = begin_tuning(settings, fixed, wishes, dataset)
    console.err.print(f"searching in {folder}", markup=False)
    outcome = tune(folder, dataset, LiveTable(), workers)
    if outcome is None:
        raise TrainingError(f"the search was stopped; go on with: eyas tune --resume {folder}")
    return outcome
