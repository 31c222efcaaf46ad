"""Whether a map says anything: its parts are taken away, and given back, in the order that it ranks them.

Deletion and insertion (Petsiuk, Das & Saenko 2018, *RISE*, section 4.1): the areas under the class's probability as the
most important cells go, and as they come. A good map has a small one and a large one. The same is done by maps of the
same values in random places; a map that does not beat nearly all of them means nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from eyas.explain.asking import Asker, Pixels
from eyas.explain.regions import Cells

RANDOM_MAPS = 19
STEPS = 12
VERDICTS = {True: "reliable", False: "no better than chance", None: "no time to tell"}


@dataclass(frozen=True)
class Reliability:
    """How a map fares against maps that mean nothing."""

    deletion: float
    """Area in [0, 1]: the lower the better."""
    insertion: float
    """Area in [0, 1]: the higher the better."""
    random: float
    """Mean of insertion - deletion over random maps; NaN without any."""
    maps: int
    """Random maps, 19 where there was the time."""
    as_well: int
    """Of them, those that did as well."""

    @property
    def p_value(self) -> float:
        """Chance that a random map does as well: (1 + those that did) / (1 + all of them)."""
        return (1 + self.as_well) / (1 + self.maps)

    @property
    def is_reliable(self) -> bool | None:
        """It beats all 19 random maps; None where it has beaten those for which there was the time."""
        if self.as_well:
            return False
        return True if self.maps == RANDOM_MAPS else None

    @property
    def verdict(self) -> str:
        """The same in words."""
        return VERDICTS[self.is_reliable]


def measure_reliability(image: Pixels, found: NDArray[np.float32], ask: Asker, seed: int = 0) -> Reliability:
    """Measure a map, by as many random maps as the budget of `ask` allows.

    Args:
        image: (H, W, C) uint8.
        found: (H, W), higher where a part speaks for the class.
        ask: about the class.
        seed: of the random maps.

    Raises:
        OutOfTimeError: twice the time of `ask` is over.
    """
    cells = Cells.of(image)
    sizes = np.bincount(cells.numbers.ravel())
    values = np.bincount(cells.numbers.ravel(), weights=found.ravel().astype(np.float64)) / sizes
    rng = np.random.default_rng(seed)
    deletion, insertion = _areas(cells, ask, values)
    gains: list[float] = []
    while len(gains) < RANDOM_MAPS and ask.may_measure:
        early, late = _areas(cells, ask, rng.permutation(values))
        gains.append(late - early)
    as_well = sum(gain >= insertion - deletion for gain in gains)
    random = float(np.mean(gains)) if gains else nan
    return Reliability(deletion, insertion, random, len(gains), as_well)


def _areas(cells: Cells, ask: Asker, values: NDArray[np.float64]) -> tuple[float, float]:
    """Deletion and insertion, by the trapezoid rule over the share of cells."""
    rank = np.argsort(np.argsort(-values, kind="stable"), kind="stable")
    counts = np.unique(np.linspace(0, cells.count, STEPS + 1).round().astype(int))
    most_first = rank < counts[:, None]
    answers = ask(cells.shown(np.concatenate([~most_first, most_first])))
    shares = counts / cells.count
    deleted, inserted = answers[: len(counts)], answers[len(counts) :]
    return float(np.trapezoid(deleted, shares)), float(np.trapezoid(inserted, shares))
