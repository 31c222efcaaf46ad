"""Which dimension mattered: the share of the values' variance that it explains by itself.

fANOVA on a random forest, as Optuna has it. Every configuration counts, with its value moved to the highest rung (see
`levelled`): those that went on are the chosen ones, and say less of what made the others bad. Numbers are taken on
their own scale. Failures have no value, and are left out.

The forest is grown anew on resamples of the configurations: their median is the importance, and the middle 80 % of them
its span. A dimension that does not matter beside a configuration's other values is drawn at random in each resample, so
that it tells nothing of them. What the shares leave to 1 is noise and what dimensions do together.

Source: Hutter, Hoos & Leyton-Brown 2014, *An efficient approach for assessing hyperparameter importance*.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from eyas.tune.configurations import Configuration, levelled
from eyas.tune.space import Choice, Space
from eyas.tune.swarm.encoding import Encoding

LEAST = 10
"""Configurations with a value below which nothing is said."""
RESAMPLES, TREES = 20, 8
LOW, HIGH = 0.1, 0.9


@dataclass(frozen=True)
class Share:
    """Of one dimension, in [0, 1]."""

    key: str
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Importance:
    """Of all dimensions."""

    shares: tuple[Share, ...]
    """The largest median first; none where it is not known."""
    configurations: int
    """That have a value, and lie within the space."""
    rungs: dict[int, int]
    """Rung from 0 → how many of them ended there."""

    @property
    def known(self) -> bool:
        """Whether there are enough of them, and they differ."""
        return bool(self.shares)

    def order(self, space: Space) -> list[str]:
        """All keys, the most important first; as in the space where it is not known."""
        first = [share.key for share in self.shares]
        return first + [one.name for one in space if one.name not in first]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "method": f"fANOVA, {TREES} trees on each of {RESAMPLES} resamples of the configurations",
            "known": self.known,
            "least_configurations": LEAST,
            "configurations": self.configurations,
            "by_rung": {str(rung): count for rung, count in sorted(self.rungs.items())},
            "interval": [LOW, HIGH],
            "shares": [asdict(share) for share in self.shares],
        }


def importance(found: Sequence[Configuration], space: Space, seed: int = 0) -> Importance:
    """Of each dimension; the same seed and configurations give the same.

    Args:
        found: all configurations; a baseline outside the space is left aside.
        space: theirs.
        seed: of the resamples and the forests.
    """
    level = levelled(found)
    usable = [one for one in found if one.number in level and _inside(one, space)]
    rungs = {rung: sum(one.rung == rung for one in usable) for rung in {one.rung for one in usable}}
    values = np.array([level[one.number] for one in usable])
    if len(usable) < LEAST or np.ptp(values) == 0:
        return Importance((), len(usable), rungs)
    rng = np.random.default_rng(seed)
    draws = [_explained(usable, values, space, rng) for _ in range(RESAMPLES)]
    by_key = {one.name: np.quantile([draw[one.name] for draw in draws], [0.5, LOW, HIGH]) for one in space}
    shares = [Share(key, *(float(value) for value in found)) for key, found in by_key.items()]
    return Importance(tuple(sorted(shares, key=lambda share: -share.median)), len(usable), rungs)


def _inside(one: Configuration, space: Space) -> bool:
    """Whether it has a value in every dimension that is active there."""
    return set(one.params) == set(space.active({d.name: one.params.get(d.name) for d in space}))


def _explained(
    found: Sequence[Configuration], values: NDArray[np.float64], space: Space, rng: np.random.Generator
) -> dict[str, float]:
    """Of one resample."""
    rows = rng.integers(len(found), size=len(found))
    while np.ptp(values[rows]) == 0:  # one value again and again explains nothing
        rows = rng.integers(len(found), size=len(found))
    study = _study([(found[row], float(values[row])) for row in rows], space, rng)
    evaluator = FanovaImportanceEvaluator(n_trees=TREES, seed=int(rng.integers(2**31)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # `normalize`
        try:
            shares = get_param_importances(study, evaluator=evaluator, normalize=False)
        except RuntimeError:  # no tree splits anything
            shares = {}
    return {one.name: float(shares.get(one.name, 0.0)) for one in space}


def _study(found: Sequence[tuple[Configuration, float]], space: Space, rng: np.random.Generator) -> optuna.Study:
    """In coordinates: each number in [0, 1] on its own scale, each choice by its index."""
    encoding = Encoding(space)
    numbers = [one.name for one in space if not isinstance(one, Choice)]
    choices = [one for one in space if isinstance(one, Choice)]
    distributions: dict[str, BaseDistribution] = {name: FloatDistribution(0.0, 1.0) for name in numbers}
    distributions |= {one.name: CategoricalDistribution(list(range(len(one.choices)))) for one in choices}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    for one, value in found:
        points, _ = encoding.encode(one.params)
        params: dict[str, Any] = dict(zip(numbers, points.numbers[0].tolist(), strict=True))
        params |= {choice.name: int(pick) for choice, pick in zip(choices, points.picks[0], strict=True)}
        params |= {name: rng.random() for name in numbers if name not in one.params}
        params |= {c.name: int(rng.integers(len(c.choices))) for c in choices if c.name not in one.params}
        study.add_trial(create_trial(params=params, distributions=distributions, value=value))
    return study
