"""A search from Python: the study that `eyas tune` makes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from eyas.api.material import Material
from eyas.api.settings import SHORT, Settings
from eyas.core import console
from eyas.core.errors import TrainingError
from eyas.tune.beginning import Wishes, begin_tuning, check_wishes
from eyas.tune.live import LiveTable
from eyas.tune.records import TrialRecord
from eyas.tune.running import Outcome, tune
from eyas.tune.search import Progress

__all__ = ["Wishes", "as_parameters", "check_wishes", "search"]


class Unseen(AbstractContextManager["Unseen"]):
    """Shows nothing of a search."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was begun."""

    def show(self, progress: Progress) -> None:
        """Nothing."""

    def ended(self, record: TrialRecord, progress: Progress) -> None:
        """Nothing."""


def search(settings: Settings, found: Material, wishes: Wishes, *, quiet: bool) -> Outcome:
    """Search from the first trial to the results.

    Args:
        settings: of the baseline.
        found: the data, and the configuration for them.
        wishes: as `check_wishes` allows.
        quiet: show nothing of it.

    Raises:
        TrainingError: every trial failed, or Ctrl-C stopped the search.
    """
    data = found.config.data.model_dump(mode="json", exclude_unset=True)
    folder = begin_tuning({**settings.nested, "data": data}, settings.given, wishes, found.dataset)
    if not quiet:
        console.err.print(f"searching in {folder}", markup=False)
    outcome = tune(folder, found.dataset, Unseen() if quiet else LiveTable(), wishes.workers)
    if outcome is None:
        raise TrainingError(f"the search was stopped; go on with: eyas tune --resume {folder}")
    return outcome


def as_parameters(found: Mapping[str, Any], fixed: Collection[str]) -> dict[str, Any]:
    """What was found, dotted key → value, as a classifier's parameters; without what was fixed."""
    names = {key: name for name, key in SHORT.items()}
    return {names.get(key, key.replace(".", "__")): value for key, value in found.items() if key not in fixed}
