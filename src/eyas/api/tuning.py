"""A search from Python: the study that `eyas tune` makes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from eyas.api.settings import SHORT
from eyas.core import console
from eyas.core.errors import TrainingError
from eyas.core.schema import DataConfig
from eyas.data import Dataset
from eyas.tune.beginning import Wishes, begin_tuning, check_wishes
from eyas.tune.live import LiveTable
from eyas.tune.running import Outcome, tune

__all__ = ["Wishes", "as_parameters", "search"]


def search(
    settings: Mapping[str, Any], data: DataConfig, fixed: Sequence[str], dataset: Dataset, wishes: Wishes
) -> Outcome:
    """Search from the first trial to the results; arguments as in `begin_tuning`, `data` the dataset's own.

    Raises:
        TrainingError: every trial failed, or Ctrl-C stopped the search.
    """
    check_wishes(wishes)
    whole = {**settings, "data": data.model_dump(mode="json", exclude_unset=True)}
    folder = begin_tuning(whole, fixed, wishes, dataset)
    console.err.print(f"searching in {folder}", markup=False)
    outcome = tune(folder, dataset, LiveTable(), wishes.workers)
    if outcome is None:
        raise TrainingError(f"the search was stopped; go on with: eyas tune --resume {folder}")
    return outcome


def as_parameters(found: Mapping[str, Any], fixed: Collection[str]) -> dict[str, Any]:
    """What was found, dotted key → value, as a classifier's parameters; without what was fixed."""
    names = {key: name for name, key in SHORT.items()}
    return {names.get(key, key.replace(".", "__")): value for key, value in found.items() if key not in fixed}
