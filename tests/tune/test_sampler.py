"""The swarm as an Optuna sampler: Optuna's own suite for samplers, and what is ours."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest
from optuna import Study, Trial
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase
from optuna.trial import TrialState

from eyas.tune.sampler import FINAL, SwarmSampler
from eyas.tune.space import Choice, Float, Space
from eyas.tune.swarm import Swarm
from eyas.tune.swarm.history import Tried
from eyas.tune.swarm.swarm import PATIENCE, UNGUIDED


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


def study_of(sampler: SwarmSampler, storage: optuna.storages.BaseStorage | None = None) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(sampler=sampler, storage=storage, study_name="s", load_if_exists=True)


def tried(sampler: SwarmSampler) -> dict[int, Tried]:
    assert sampler._mirror is not None
    return sampler._mirror.swarm._history._tried


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -5, 5)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    return (x - 1) ** 2 + (trial.suggest_float("y", 1e-3, 1, log=True) if kind == "b" else 2.0)


def test_a_study_that_is_loaded_again_goes_on_the_same() -> None:
    whole = study_of(SwarmSampler(seed=1))
    whole.optimize(objective, n_trials=30)
    storage = optuna.storages.InMemoryStorage()
    for _ in range(30):  # a new process for each trial
        study_of(SwarmSampler(seed=1), storage).optimize(objective, n_trials=1)
    again = study_of(SwarmSampler(seed=1), storage)
    assert [trial.params for trial in again.trials] == [trial.params for trial in whole.trials]


def test_patience_counts_trials_and_not_what_they_report() -> None:
    sampler = SwarmSampler(seed=0, space=Space([Float("x", 0.0, 1.0)]), particles=1)
    study = study_of(sampler)
    for _ in range(PATIENCE):
        trial = study.ask()
        x = trial.suggest_float("x", 0, 1)
        for step in range(1, 21):
            trial.report(x + 1 / step, step)
        study.tell(trial, x)
    lives = [trial.system_attrs["swarm:move"]["life"] for trial in study.trials]
    assert set(lives) == {0}


def test_a_pruned_trial_counts_by_its_last_step_and_a_failed_one_as_the_worst() -> None:
    sampler = SwarmSampler(seed=0, space=Space([Float("x", 0.0, 1.0)]))
    study = study_of(sampler)
    for state, reported in (
        (TrialState.COMPLETE, {3: 2.0}),
        (TrialState.PRUNED, {3: 0.5}),
        (TrialState.FAIL, {5: 0.1}),
    ):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        for step, value in reported.items():
            trial.report(value, step)
        study.tell(trial, 1.0 if state == TrialState.COMPLETE else None, state=state)
    study.ask()
    assert [tried(sampler)[number].curve for number in range(3)] == [{3: 2.0, FINAL: 1.0}, {3: 0.5}, {}]


def test_a_trial_that_takes_another_further_is_the_same_point() -> None:
    sampler = SwarmSampler(seed=0, space=Space([Float("x", 0.0, 1.0)]))
    study = study_of(sampler)
    trial = study.ask()
    x = trial.suggest_float("x", 0, 1)
    trial.report(0.7, 1)
    study.tell(trial, state=TrialState.PRUNED)
    study.enqueue_trial({"x": x}, user_attrs={"continues": 0})
    further = study.ask()
    further.suggest_float("x", 0, 1)
    further.report(0.4, 3)
    study.tell(further, state=TrialState.PRUNED)
    study.ask().suggest_float("x", 0, 1)
    assert tried(sampler)[0].curve == {1: 0.7, 3: 0.4}
    assert 1 not in tried(sampler)


def test_a_space_with_lists_and_conditions_and_steps_is_suggested_as_optuna_keeps_it() -> None:
    space = Space(
        [
            Choice("hidden", ([1], [2, 3])),
            Float("rate", 0.0, 0.3, step=0.1, when={"hidden": ([1],)}),
        ]
    )
    study = study_of(SwarmSampler(seed=0, space=space))
    seen = set()
    for number in range(8):
        trial = study.ask()
        if trial.suggest_categorical("hidden", ["[1]", "[2, 3]"]) == "[1]":
            seen.add(trial.suggest_float("rate", 0.0, 0.3, step=0.1))
        study.tell(trial, float(number))
    assert seen == {0.0, 0.1, 0.2, 0.3}  # and not 0.30000000000000004


def test_an_enqueued_trial_informs_the_swarm() -> None:
    sampler = SwarmSampler(seed=0, space=Space([Float("x", 0.0, 1.0)]))
    study = study_of(sampler)
    study.enqueue_trial({"x": 0.25})
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1) - 0.25) ** 2, n_trials=12)
    assert tried(sampler)[0].place is None
    assert study.best_value < 1e-6
    assert len({round(trial.params["x"], 6) for trial in study.trials}) == 12
