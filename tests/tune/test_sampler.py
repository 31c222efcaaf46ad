"""The swarm as an Optuna sampler: Optuna's own suite for samplers, and what is ours."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest
from optuna import Study, Trial
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase
from optuna.trial import TrialState

from eyas.tune.sampler import SwarmSampler
from eyas.tune.space import Float, Space
from eyas.tune.swarm import Swarm
from eyas.tune.swarm.swarm import UNGUIDED


class TestOptunasOwnSuite(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: SwarmSampler(seed=0)


SPACE = Space([Float("x", -1.0, 1.0), Float("y", -1.0, 1.0), Float("z", -1.0, 1.0)])


def suggest(trial: Trial, names: str) -> None:
    """The values of these dimensions, one after the other, as every process writes them into the storage."""
    for name in names:
        trial.suggest_float(name, -1.0, 1.0)


def tell(study: Study, trial: Trial) -> None:
    study.tell(trial, sum((value - 0.3) ** 2 for value in trial.params.values()))


def test_a_trial_of_another_process_that_was_seen_half_made_is_seen_whole_in_the_end() -> None:
    here, there = (SwarmSampler(seed=3, space=SPACE) for _ in range(2))
    study = optuna.create_study(study_name="both", sampler=here)
    other = optuna.load_study(study_name="both", storage=study._storage, sampler=there)
    for _ in range(6):
        mine, theirs = study.ask(), other.ask()
        suggest(mine, "x")
        suggest(theirs, "xyz")  # looks at all trials, of which one has a single value so far
        suggest(mine, "yz")
        tell(study, mine)
        tell(other, theirs)
    copies = optuna.create_study(study_name="both", sampler=SwarmSampler(seed=3, space=SPACE))
    copies.add_trials(study.get_trials())
    found, wanted = other.ask(), copies.ask()
    suggest(found, "xyz")
    suggest(wanted, "xyz")
    assert found.params == pytest.approx(wanted.params)


def test_a_trial_that_never_began_says_nothing_of_its_point() -> None:
    study = optuna.create_study(sampler=SwarmSampler(seed=3, space=SPACE))
    for _ in range(UNGUIDED):
        trial = study.ask()
        suggest(trial, "xyz")
        trial.set_user_attr("withdrawn", True)
        study.tell(trial, state=TrialState.FAIL)
    trial = study.ask()
    suggest(trial, "xyz")
    assert trial.params == Swarm(SPACE, seed=3).ask(UNGUIDED).values
