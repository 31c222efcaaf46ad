"""A search from its first trial to its results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from optuna.storages import BaseStorage

from eyas.compare.telling import close_parent, open_family
from eyas.core.errors import ConfigError, TrainingError
from eyas.core.lives import noted
from eyas.core.marks import BEST, FINAL, FOUND
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.tune.beginning import worker_count
from eyas.tune.executors import Executor
from eyas.tune.executors.local import LocalExecutor
from eyas.tune.final import Final, final_plan, read_final, sentence, train_final, write_best
from eyas.tune.ledger import Ledger, require_same
from eyas.tune.pictures import DRAWERS, draw_or_warn
from eyas.tune.plan import TunePlan, load_plan, runs_of
from eyas.tune.records import TrialRecord, best_of
from eyas.tune.results import write_results
from eyas.tune.samplers import make_sampler
from eyas.tune.search import Search, Watcher
from eyas.tune.storage import masked, opened, sole_use
from eyas.tune.verdict import standing

MakeExecutor = Callable[[Path, Config], Executor]
"""From the folder of runs and the baseline's configuration."""


class Screen(Watcher, AbstractContextManager["Screen"], Protocol):
    """A watcher that is there for the time of the search."""


@dataclass(frozen=True)
class Outcome:
    """What came of a search."""

    folder: Path
    plan: TunePlan
    records: Sequence[TrialRecord]
    best: TrialRecord
    final: Final | None
    """None where the best is the baseline itself."""
    says: str
    results: Mapping[str, Any]
    """What `optimization_results.json` holds."""


def tune(
    folder: Path,
    dataset: Dataset,
    screen: Screen,
    workers: int | None = None,
    storage: str | None = None,
    make_executor: MakeExecutor | None = None,
) -> Outcome | None:
    """Search until the budget is used up, then compare the best with the baseline.

    Args:
        folder: that `begin_tuning` made.
        dataset: the study's.
        screen: shown how it goes.
        workers: processes of this machine; by cores.
        storage: URL with its password; None: the journal.
        make_executor: who trains the trials; None: processes of this machine. The comparison at the end is always
            theirs.

    Returns:
        None where Ctrl-C stopped it.

    Raises:
        TrainingError: every trial fails, or the storage does not answer.
        ConfigError: another process searches in this folder, or the study's storage is not given.
    """
    plan = load_plan(folder)
    count = worker_count(plan.base(), workers)
    require_storage(plan, storage, folder)
    with sole_use(folder), noted(folder, locked=True) as life:
        with opened(storage if plan.storage else None, folder) as kept:
            executor = (
                make_executor(runs_of(folder), plan.base())
                if make_executor
                else LocalExecutor(runs_of(folder), count, together=plan.together)
            )
            ledger, whole = _search(folder, plan, dataset, kept, screen, executor)
            records, seconds = ledger.records(), ledger.seconds()
        if not whole:
            write_results(folder, plan, records, seconds, None, standing("open"))
            draw_or_warn(folder, plan, records)
            return None
        outcome = _finish(folder, plan, dataset, records, seconds, count)
        if outcome:
            life.ended("finished")
        return outcome


def require_storage(plan: TunePlan, storage: str | None, folder: Path) -> None:
    """A study in a database needs its URL again: the password is kept nowhere.

    Raises:
        ConfigError: it is not given, or it is another.
    """
    if plan.storage and masked(storage or "") != plan.storage:
        raise ConfigError(
            f"{folder} is kept in {plan.storage}; give its URL with --storage or in EYAS_TUNE_STORAGE, "
            f"got {masked(storage) if storage else 'none'}"
        )


def _search(
    folder: Path, plan: TunePlan, dataset: Dataset, storage: BaseStorage, screen: Screen, executor: Executor
) -> tuple[Ledger, bool]:
    require_same(storage, plan)
    before = Ledger(storage, plan)
    owner = plan.owner if before.join() else ""
    ledger = Ledger(storage, plan, make_sampler(plan.sampler, plan.seed, plan.space, len(before.records()), owner))
    about = {"sampler": plan.sampler, "sampler_seed": str(plan.seed), "searched": ", ".join(plan.space.dimensions)}
    open_family(folder, "eyas tune", about, plan.base(), dataset)
    try:
        with screen:
            return ledger, Search(plan, ledger, executor, folder, screen).run()
    finally:
        executor.close()


def _finish(
    folder: Path, plan: TunePlan, dataset: Dataset, records: Sequence[TrialRecord], seconds: float, workers: int
) -> Outcome | None:
    best = best_of(records, rising=plan.rising)
    if best is None:
        raise TrainingError(f"{folder}: no trial finished an epoch in the time that it had; give more --minutes")
    config = write_best(folder, plan, best)
    two = final_plan(plan, config)
    final: Final | None = None
    says = standing("same")
    write_results(folder, plan, records, seconds, None, standing("waiting"))
    draw_or_warn(folder, plan, records)
    if two is not None:
        if not train_final(folder, two, workers):
            return None
        final = read_final(folder, two, dataset)
        says = sentence(final)
    results = write_results(folder, plan, records, seconds, final, says)
    close_parent(folder, _metrics(best, final), (FOUND, BEST, *DRAWERS, f"{FINAL}/curves.png"))
    return Outcome(folder, plan, records, best, final, says, results)


def _metrics(best: TrialRecord, final: Final | None) -> dict[str, float]:
    """Of the parent run in trackers."""
    values = {"best_value": float(best.value or 0.0), "best_trial": float(best.number)}
    for arm in final.result.arms if final else ():
        values[f"final_val_accuracy/{arm.name}"] = arm.val.mean
        if arm.test:
            values[f"final_test_accuracy/{arm.name}"] = arm.test.mean
    return values


def read_trials(folder: Path, storage: str | None = None) -> list[TrialRecord]:
    """All trials of a study as plain values.

    Args:
        folder: of the study.
        storage: URL with its password, where the study is kept in a database.

    Raises:
        ConfigError, ResumeError, TrainingError: as `tune`.
    """
    plan = load_plan(folder)
    require_storage(plan, storage, folder)
    with opened(storage if plan.storage else None, folder) as kept:
        return Ledger(kept, plan).records()
