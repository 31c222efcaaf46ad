"""A search before its first trial: what the command line asks for becomes a plan and a folder."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from eyas.compare.running import require_validation
from eyas.compare.schedule import process_count
from eyas.core.config import overlay
from eyas.core.errors import ConfigError, ResumeError
from eyas.core.machine import usable_cores
from eyas.core.runs import next_folder
from eyas.core.schema import Config, Monitor
from eyas.data import Dataset
from eyas.train.assembly import device_kind
from eyas.train.checks import check_config
from eyas.train.run import precision_for
from eyas.tune.defaults import default_space
from eyas.tune.executors.together import program_size
from eyas.tune.ledger import begun_with, create_study, require_same
from eyas.tune.plan import TunePlan, save_plan
from eyas.tune.rungs import MOST_RUNGS, rung_epochs, rungs_for
from eyas.tune.samplers import DEFAULT, require_sampler
from eyas.tune.space import Space
from eyas.tune.storage import masked, opened, require_url, sole_use
from eyas.tune.writing import corners, read_space

TRIALS = 40
SEEDS = 3
MOST_SEED = 2**32 - 1
"""That NumPy's older generators, from which some samplers draw, take."""
METRIC = "val_accuracy"


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for."""

    trials: int | None = None
    minutes: float | None = None
    workers: int | None = None
    sampler: str = DEFAULT
    seed: int = 0
    space: Path | None = None
    metric: str | None = None
    rungs: int | None = None
    halving: bool = True
    seeds: int = SEEDS
    storage: str | None = None
    study: str | None = None
    inherit: bool = False
    together: bool = True
    """Whether small trials may be trained as one program where that is faster."""
    ray: str | None = None
    """Address of a cluster; None: this machine."""


def check_wishes(wishes: Wishes) -> None:
    """Refuse what can be refused before the data are read.

    Raises:
        ConfigError: names the option, the rule and what it got.
        MissingExtraError: the sampler's library is not installed.
    """
    require_sampler(wishes.sampler)
    for name, value, least in (
        ("--trials", wishes.trials, 2),
        ("--workers", wishes.workers, 1),
        ("--rungs", wishes.rungs, 1),
        ("--seeds", wishes.seeds, 1),
        ("--seed", wishes.seed, 0),
    ):
        if value is not None and value < least:
            raise ConfigError(f"{name} must be at least {least}, got {value}")
    for name, value, most in (("--seed", wishes.seed, MOST_SEED), ("--rungs", wishes.rungs, MOST_RUNGS)):
        if value is not None and value > most:
            raise ConfigError(f"{name} must be at most {most}, got {value}")
    if wishes.minutes is not None and not wishes.minutes > 0:
        raise ConfigError(f"--minutes must be greater than 0, got {wishes.minutes:g}")
    known = [name for name in get_args(Monitor) if name.startswith("val_")]
    if wishes.metric is not None and wishes.metric not in known:
        raise ConfigError(f"--metric must be one of {', '.join(known)}, got {wishes.metric}")
    if not wishes.halving and wishes.rungs not in (None, 1):
        raise ConfigError(f"--no-halving trains every trial to the end; leave --rungs {wishes.rungs} out")
    if wishes.storage:
        require_url(wishes.storage)


def begin_tuning(settings: Mapping[str, Any], fixed: Sequence[str], wishes: Wishes, dataset: Dataset) -> Path:
    """Check all of it, and make the study's folder, `<runs_dir>/<name>-tune-<n>`.

    Args:
        settings: nested, of the baseline, without defaults.
        fixed: dotted keys that the command line gives: the default space leaves them alone.
        wishes: as `check_wishes` allows.
        dataset: the baseline's.

    Raises:
        ConfigError: a wish, a space or a baseline that cannot be.
        ResumeError: the study to be joined is another search.
        TrainingError: the storage does not answer.
    """
    require_validation(dataset)
    plan = _plan(settings, fixed, wishes, dataset)
    check_space(plan, dataset)
    if wishes.storage:
        with opened(wishes.storage, Path()):
            pass  # before a folder is made for nothing
    folder = next_folder(Path(plan.base().runs_dir), f"{plan.base().name or dataset.name}-tune")
    study = wishes.study or folder.name
    plan = replace(plan, name=folder.name, study=study, owner=f"{folder.name}-{uuid.uuid4().hex[:8]}")
    with opened(wishes.storage, folder) as storage:
        if not create_study(storage, plan, join=wishes.study is not None):
            if Config.model_validate(settings).train.precision == "auto":
                plan = _in_the_precision_of(begun_with(storage, plan), plan)
            require_same(storage, plan)
    save_plan(plan, folder)
    return folder


def _in_the_precision_of(begun: Mapping[str, Any], plan: TunePlan) -> TunePlan:
    """A probe measures speed: beside the first machine's choice, another's would be another question."""
    chosen = begun.get("settings", {}).get("train", {}).get("precision", "auto")
    return replace(plan, settings=overlay(dict(plan.settings), {"train.precision": chosen}))


def _plan(settings: Mapping[str, Any], fixed: Sequence[str], wishes: Wishes, dataset: Dataset) -> TunePlan:
    base = Config.model_validate(settings)
    metric = wishes.metric or (base.train.monitor if _monitors(settings) else METRIC)
    workers = worker_count(base, wishes.workers)
    own: dict[str, Any] = {"train.monitor": metric}
    if base.train.threads is None:
        own["train.threads"] = 1 if wishes.ray else max(1, usable_cores() // workers)
    settled = overlay(dict(settings), own)
    if base.train.precision == "auto" and device_kind(base.train) == "cpu":  # once, and not once a network
        settled = overlay(settled, {"train.precision": precision_for(Config.model_validate(settled), dataset)})
    space = (
        read_space(wishes.space, settled)
        if wishes.space
        else default_space(settled, dataset.policy.shape, len(dataset.train), fixed)
    )
    most = 1 if not wishes.halving else wishes.rungs or min(MOST_RUNGS, rungs_for(_trials(wishes)))
    return TunePlan(
        name="tune",
        settings=settled,
        space=space,
        metric=metric,
        rungs=rung_epochs(base.train.epochs, most),
        sampler=wishes.sampler,
        seed=wishes.seed,
        trials=_trials(wishes),
        minutes=wishes.minutes,
        seeds=tuple(base.train.seed + 1 + k for k in range(wishes.seeds)),  # the search's own seed chose the best
        inherit=wishes.inherit,
        storage=masked(wishes.storage) if wishes.storage else None,
        study="",
        owner="",
        fingerprint=dataset.fingerprint,
        together=_together(wishes, Config.model_validate(settled), space, dataset),
    )


def _together(wishes: Wishes, config: Config, space: Space, dataset: Dataset) -> int:
    """Trials of one program: several only on this machine, and where a probe says that they are faster so."""
    if not wishes.together or wishes.ray or wishes.inherit:
        return 1
    return program_size(config, space, dataset)


def _monitors(settings: Mapping[str, Any]) -> bool:
    """Whether the user's own settings name a validation value to look at."""
    return str((settings.get("train") or {}).get("monitor", "")).startswith("val_")


def _trials(wishes: Wishes) -> int | None:
    """40, where nobody limits the search."""
    return TRIALS if wishes.trials is None and wishes.minutes is None else wishes.trials


def worker_count(config: Config, wanted: int | None) -> int:
    """Processes: those wanted, else as many as a study of runs has at once."""
    if config.train.workers > 1:
        raise ConfigError(
            f"train.workers must be 1 in a search: its trials share the cores, got {config.train.workers}"
        )
    return process_count(config.train, None) if wanted is None else wanted


def check_space(plan: TunePlan, dataset: Dataset) -> None:
    """Try every end and every choice on the configuration, before anything is trained.

    Raises:
        ConfigError: names the value and the rule.
    """
    check_config(plan.base(), dataset)
    for where, config in corners(plan.space, plan.settings):
        try:
            check_config(config, dataset)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None


def go_on(folder: Path, dataset: Dataset, plan: TunePlan, trials: int | None, minutes: float | None) -> TunePlan:
    """The plan of a study that goes on, perhaps with a larger budget.

    Raises:
        ResumeError: other data.
        ConfigError: a budget below the old one's, or another process searches there. The file is left as it was.
    """
    dataset.require(plan.fingerprint, folder, ResumeError, begun=True)
    for name, wanted, before in (("--trials", trials, plan.trials), ("--minutes", minutes, plan.minutes)):
        if wanted is not None and before is not None and wanted < before:
            raise ConfigError(f"{name} must be at least the {before:g} that {folder} has already, got {wanted:g}")
    longer = replace(
        plan,
        trials=plan.trials if trials is None else trials,
        minutes=plan.minutes if minutes is None else minutes,
    )
    if longer != plan:
        with sole_use(folder):
            save_plan(longer, folder)
    return longer
