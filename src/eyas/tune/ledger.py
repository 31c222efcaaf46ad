"""The trials of a study in its storage: asked for, continued, reported and told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from time import monotonic, sleep
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from eyas.core.errors import ConfigError, ResumeError
from eyas.tune.distributions import distribution, encoded, suggest
from eyas.tune.plan import TunePlan
from eyas.tune.records import TrialRecord, record_of
from eyas.tune.sampler import PARTICLE

SHARED = "plan"
SECONDS = "seconds"
BEGINNING_SECONDS = 5.0
"""For another machine to say what it searches, when it has only just made the study."""


class Ledger:
    """A study's trials.

    Every trial has these user attributes: `run` (its folder under `runs/`), `rung` (from 0), `epochs` (trained to),
    `seconds` (its own), `continues` (the trial that it goes on with), `owner` (the folder that trains it), `baseline`,
    `cause` (of a failure) and `whole` (whether it finished its rung). Its intermediate values are by epoch.
    """

    def __init__(self, storage: BaseStorage, plan: TunePlan, sampler: BaseSampler | None = None) -> None:
        self._storage, self._plan = storage, plan
        self._study = optuna.load_study(study_name=plan.study, storage=storage, sampler=sampler)
        self._id = storage.get_study_id_from_name(plan.study)

    def records(self) -> list[TrialRecord]:
        """All trials, by number."""
        return [record_of(trial, self._plan.space) for trial in self._study.get_trials(deepcopy=False)]

    def ask(self, **attrs: Any) -> TrialRecord:
        """A new configuration from the sampler."""
        # Not by Study.ask: a kill between it and the note of the owner would leave a trial that nobody goes on with.
        self._study._thread_local.cached_all_trials = None
        made = create_trial(state=TrialState.RUNNING, user_attrs={"owner": self._plan.owner})
        trial = optuna.Trial(self._study, self._storage.create_new_trial(self._id, made))
        suggest(trial, self._plan.space)
        return self._noted(trial.number, {"run": f"trial-{trial.number}", **attrs})

    def begin(self, values: Mapping[str, Any], **attrs: Any) -> TrialRecord:
        """A trial of known values, without the sampler: the baseline, or one that goes on.

        It is running from the first: between a queue and its reader, another machine could take it.
        """
        space, known = self._plan.space, {one.number for one in self.records()}
        made = create_trial(
            state=TrialState.RUNNING,
            params=encoded(values, space),
            distributions={name: distribution(space.dimensions[name]) for name in values},
            user_attrs={"owner": self._plan.owner, **attrs},
            system_attrs=self._inherited(attrs.get("continues")),
        )
        self._study.add_trial(made)
        mine = [one for one in self.records() if one.number not in known and one.owner == self._plan.owner]
        number = max(one.number for one in mine)
        return self._noted(number, {} if "run" in attrs else {"run": f"trial-{number}"})

    def unless_late(self, made: TrialRecord, rivals: Callable[[TrialRecord], bool], most: int | None) -> bool:
        """Whether a trial that was only just made is one of the first; else it is withdrawn.

        Several machines may look at the same moment, find that a trial is wanted, and each make one.

        Args:
            made: the trial.
            rivals: which trials it competes with, itself among them.
            most: that are wanted; None: all.
        """
        first = [one.number for one in self.records() if rivals(one) and one.state != "withdrawn"][:most]
        if made.number in first:
            return True
        self.fail(made.number, f"trial {first[-1]} was begun at the same moment", withdrawn=True)
        return False

    def report(self, number: int, epoch: int, value: float) -> None:
        """The value of the kept weights after an epoch."""
        self._storage.set_trial_intermediate_value(self._trial(number), epoch, value)

    def note(self, number: int, **attrs: Any) -> None:
        """User attributes."""
        for name, value in attrs.items():
            self._storage.set_trial_user_attr(self._trial(number), name, value)

    def tell(self, number: int, value: float | None, *, top: bool, **attrs: Any) -> TrialRecord:
        """It has been trained as far as it was to be: at the top rung it is complete, below it pruned."""
        self.note(number, **attrs)
        if top and value is not None:
            self._study.tell(number, value, TrialState.COMPLETE)
        else:
            self._study.tell(number, state=TrialState.PRUNED)
        return self.record(number)

    def fail(self, number: int, cause: str, **attrs: Any) -> TrialRecord:
        """It could not be trained."""
        self.note(number, cause=cause, **attrs)
        self._study.tell(number, state=TrialState.FAIL)
        return self.record(number)

    def record(self, number: int) -> TrialRecord:
        """One trial."""
        return record_of(self._storage.get_trial(self._trial(number)), self._plan.space)

    def seconds(self) -> float:
        """Of searching from this folder, earlier processes' among them."""
        return float(self._study.user_attrs.get(f"{SECONDS}:{self._plan.owner}", 0.0))

    def spend(self, seconds: float) -> None:
        """Set them."""
        self._study.set_user_attr(f"{SECONDS}:{self._plan.owner}", round(seconds, 3))

    def join(self) -> bool:
        """Be known as one that searches; whether others are, or were."""
        self.spend(self.seconds())
        own = f"{SECONDS}:{self._plan.owner}"
        return any(name.startswith(f"{SECONDS}:") and name != own for name in self._study.user_attrs)

    def _noted(self, number: int, attrs: Mapping[str, Any]) -> TrialRecord:
        self.note(number, **attrs)
        return self.record(number)

    def _trial(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, number)

    def _inherited(self, continues: int | None) -> dict[str, Any]:
        """A trial that goes on is the same particle's."""
        if continues is None:
            return {}
        before = self._storage.get_trial(self._trial(continues)).system_attrs
        return {PARTICLE: before[PARTICLE]} if PARTICLE in before else {}


def create_study(storage: BaseStorage, plan: TunePlan, *, join: bool) -> bool:
    """Make the study in its storage.

    Returns:
        False where another machine has made it, and it is to be joined.

    Raises:
        ConfigError: there is one of that name, and nobody said to join it.
    """
    shared = json.dumps(plan.shared(), sort_keys=True)
    direction = StudyDirection.MAXIMIZE if plan.rising else StudyDirection.MINIMIZE
    try:
        study = optuna.create_study(study_name=plan.study, storage=storage, direction=direction)
    except DuplicatedStudyError:
        if not join:
            raise ConfigError(
                f"the storage has a study {plan.study} already; join it with --study {plan.study}, or name another"
            ) from None
        return False
    study.set_user_attr(SHARED, shared)
    return True


def begun_with(storage: BaseStorage, plan: TunePlan) -> dict[str, Any]:
    """What the plan of whoever made the study shares, as of `TunePlan.shared`; empty where nobody says.

    Raises:
        ResumeError: the storage does not know the study.
    """
    try:
        study = optuna.load_study(study_name=plan.study, storage=storage)
    except KeyError:
        raise ResumeError(f"the storage has no study {plan.study}, which this folder belongs to") from None
    deadline = monotonic() + BEGINNING_SECONDS
    while (said := study.user_attrs.get(SHARED)) is None and monotonic() < deadline:
        sleep(0.05)
    found: dict[str, Any] = json.loads(said or "{}")
    return found


def require_same(storage: BaseStorage, plan: TunePlan) -> None:
    """Refuse to search in a study of another space, baseline or dataset.

    Raises:
        ResumeError: names what differs, or that the storage does not know the study.
    """
    before, now = begun_with(storage, plan), json.loads(json.dumps(plan.shared()))
    changed = [key for key in now if before.get(key) != now[key]]
    if changed:
        raise ResumeError(f"the study {plan.study} in the storage has other {', '.join(changed)} than this one")
