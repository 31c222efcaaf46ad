"""Several machines in one study: who is first, what each may have for itself, and who draws what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from eyas.core.errors import ResumeError
from eyas.tune.ledger import Ledger, begun_with, create_study, require_same
from eyas.tune.plan import TunePlan, load_plan
from eyas.tune.samplers import make_sampler
from eyas.tune.storage import opened


@pytest.fixture
def plans(searched: Path) -> tuple[TunePlan, TunePlan]:
    """Of one study, for two machines."""
    plan = replace(load_plan(searched), study="both", storage="sqlite:///both.db")
    return replace(plan, owner="one"), replace(plan, owner="other")


def test_of_those_that_begin_the_same_the_first_stays(home, plans):
    with opened("sqlite:///both.db", home) as storage:
        assert create_study(storage, plans[0], join=True)
        assert not create_study(storage, plans[1], join=True)
        one, other = (Ledger(storage, plan, make_sampler("random", 0, plans[0].space, 0, plan.owner)) for plan in plans)
        first, second = one.begin({}, baseline=True, rung=0), other.begin({}, baseline=True, rung=0)
        assert (first.number, second.number) == (0, 1)
        assert not other.unless_late(second, lambda trial: trial.baseline, 1)
        assert one.unless_late(first, lambda trial: trial.baseline, 1)
        assert [trial.state for trial in one.records()] == ["running", "withdrawn"]

        asked, late = one.ask(rung=0), other.ask(rung=0)
        assert not other.unless_late(late, lambda trial: trial.continues is None, 2)
        assert one.unless_late(asked, lambda trial: trial.continues is None, 2)
        assert [trial.owner for trial in one.records()] == ["one", "other", "one", "other"]
        assert asked.params != late.params


def test_machines_may_differ_in_where_things_are_and_in_nothing_else(home, plans):
    one, other = plans
    train = one.settings["train"]
    moved = {**one.settings, "name": "mine", "runs_dir": "here", "data": {"source": "/mnt/digits"}}
    with opened("sqlite:///both.db", home) as storage:
        create_study(storage, one, join=True)
        require_same(storage, replace(other, settings={**moved, "train": {**train, "threads": 7}}))
        with pytest.raises(ResumeError, match="has other settings than this one"):
            require_same(storage, replace(other, settings={**moved, "train": {**train, "epochs": 99}}))
        assert begun_with(storage, other)["settings"]["train"]["epochs"] == 4


def test_a_trial_has_an_owner_from_its_first_moment(home, plans, monkeypatch):
    with opened("sqlite:///both.db", home) as storage:
        create_study(storage, plans[0], join=True)
        ledger = Ledger(storage, plans[0], make_sampler("random", 0, plans[0].space))
        assert not ledger.join()
        assert Ledger(storage, plans[1]).join()
        assert ledger.join()

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(optuna.Trial, "suggest_categorical", killed)
        with pytest.raises(KeyboardInterrupt):
            ledger.ask(rung=0)
        assert [(trial.owner, trial.run, trial.state) for trial in ledger.records()] == [("one", None, "running")]
