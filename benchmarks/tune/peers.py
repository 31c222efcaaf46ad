"""The methods that are compared, each asked for one point at a time and told its loss, each by its own defaults."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from eyas.tune.distributions import distribution
from eyas.tune.sampler import SwarmSampler
from eyas.tune.space import Choice, Int, Space
from eyas.tune.swarm import Swarm

Losses = list[float]
Objective = Callable[[Mapping[str, Any]], float]


def losses(method: str, space: Space, objective: Objective, budget: int, seed: int) -> Losses:
    """The losses of `budget` trials, in the order in which they were made."""
    return METHODS[method](space, objective, budget, seed)


def _swarm(space: Space, objective: Objective, budget: int, seed: int) -> Losses:
    swarm, found = Swarm(space, seed), []
    for _ in range(budget):
        move = swarm.ask()
        found.append(objective(move.values))
        swarm.tell(move.number, found[-1])
    return found


def _optuna(make: Callable[[int, Space], Any]) -> Callable[[Space, Objective, int, int], Losses]:
    def run(space: Space, objective: Objective, budget: int, seed: int) -> Losses:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        distributions = {dimension.name: distribution(dimension) for dimension in space}
        study, found = optuna.create_study(sampler=make(seed, space)), []
        for _ in range(budget):
            trial = study.ask(distributions)
            found.append(objective(trial.params))
            study.tell(trial, found[-1])
        return found

    return run


def _of_optuna(name: str, **options: Any) -> Callable[[Space, Objective, int, int], Losses]:
    def make(seed: int, space: Space) -> Any:
        import optuna

        return getattr(optuna.samplers, name)(seed=seed, **options)

    return _optuna(make)


def _nevergrad(name: str) -> Callable[[Space, Objective, int, int], Losses]:
    def run(space: Space, objective: Objective, budget: int, seed: int) -> Losses:
        import nevergrad as ng

        warnings.simplefilter("ignore")
        parameters = ng.p.Instrumentation(**{d.name: _of_nevergrad(d) for d in space})
        parameters.random_state.seed(seed)
        optimizer, found = ng.optimizers.registry[name](parameters, budget=budget), []
        for _ in range(budget):
            candidate = optimizer.ask()
            found.append(objective(candidate.kwargs))
            optimizer.tell(candidate, found[-1])
        return found

    return run


def _of_nevergrad(dimension: Any) -> Any:
    import nevergrad as ng

    if isinstance(dimension, Choice):
        return ng.p.Choice(list(dimension.choices))
    if isinstance(dimension, Int):
        return ng.p.Scalar(lower=dimension.low, upper=dimension.high).set_integer_casting()
    return ng.p.Scalar(lower=dimension.low, upper=dimension.high)


def _smac(space: Space, objective: Objective, budget: int, seed: int) -> Losses:
    from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace, UniformFloatHyperparameter
    from ConfigSpace import UniformIntegerHyperparameter as Whole
    from smac import HyperparameterOptimizationFacade, Scenario

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    given = ConfigurationSpace(seed=seed)
    for d in space:
        if isinstance(d, Choice):
            given.add(CategoricalHyperparameter(d.name, list(d.choices)))
        else:
            given.add((Whole if isinstance(d, Int) else UniformFloatHyperparameter)(d.name, d.low, d.high))
    found: Losses = []

    def target(config: Any, seed: int = 0) -> float:
        found.append(objective(dict(config)))
        return found[-1]

    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(given, deterministic=True, n_trials=budget, seed=seed, output_directory=Path(folder))
        HyperparameterOptimizationFacade(scenario, target, overwrite=True).optimize()
    return found + [max(found)] * (budget - len(found))  # it stops before where it proposes nothing new


METHODS: dict[str, Callable[[Space, Objective, int, int], Losses]] = {
    "eyas swarm": _swarm,
    "eyas swarm in Optuna": _optuna(lambda seed, space: SwarmSampler(seed)),
    "Optuna TPE": _of_optuna("TPESampler"),
    "Optuna TPE univariate": _of_optuna("TPESampler", multivariate=False),
    "Optuna CMA-ES": _of_optuna("CmaEsSampler"),
    "Optuna random": _of_optuna("RandomSampler"),
    "Nevergrad PSO": _nevergrad("PSO"),
    "Nevergrad NGOpt": _nevergrad("NGOpt"),
    "SMAC3": _smac,
}


def names() -> Iterator[str]:
    """All of them."""
    yield from METHODS
