"""Asynchronous successive halving: how far a trial is trained before the next decision, and who goes on.

Rungs k = 0 … K-1 end after r_k = R η^(k-K+1) epochs, the top one after all R. A trial goes on from rung k to k + 1
where it is among the best 1/η of those that have finished rung k; nobody waits for a rung to fill.

Source: Li et al. 2020, *A system for massively parallel hyperparameter tuning*, Algorithm 2.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import floor, log

ETA = 3
MOST_RUNGS = 4


@dataclass(frozen=True)
class Standing:
    """A trial that has finished a rung."""

    number: int
    rung: int
    value: float
    """Of the weights that its run keeps."""
    own: bool = True
    """Whether it may be taken on from here; another machine's cannot."""


def rung_epochs(epochs: int, rungs: int = MOST_RUNGS, eta: int = ETA) -> tuple[int, ...]:
    """r_0 < r_1 < … = `epochs`: fewer than `rungs` where two would be the same number of epochs, at least 1 epoch."""
    return tuple(sorted({max(1, round(epochs / eta**step)) for step in range(rungs)}))


def rungs_for(trials: int | None, eta: int = ETA) -> int:
    """The most rungs for so many configurations: of η^(K-1), one reaches the top. None: their number is not known."""
    if trials is None:
        return MOST_RUNGS
    return max(1, min(MOST_RUNGS, 1 + floor(log(max(trials, 1), eta) + 1e-9)))


def promotion(
    finished: Sequence[Standing], promoted: Collection[int], rungs: int, *, rising: bool, eta: int = ETA
) -> int | None:
    """The trial that goes on now, from the highest rung that has one.

    Args:
        finished: every trial that has finished a rung, of whatever machine.
        promoted: numbers of those that go on, or went on, already.
        rungs: their number.
        rising: whether larger values are better.

    Returns:
        A trial's number; None where nobody is due.
    """
    for rung in reversed(range(rungs - 1)):
        ranked = ranking([one for one in finished if one.rung == rung], rising=rising)
        for one in ranked[: len(ranked) // eta]:
            if one.own and one.number not in promoted:
                return one.number
    return None


def leader(finished: Sequence[Standing], promoted: Collection[int], rungs: int, *, rising: bool) -> int | None:
    """Who goes on at the end of a search in which nobody has reached the top: the best of the highest rung there is.

    A search of few trials, or one of many failures, would else be decided by runs that were cut short.
    """
    top = max((one.rung for one in finished), default=rungs - 1)
    if top >= rungs - 1:
        return None
    for one in ranking([one for one in finished if one.rung == top], rising=rising):
        if one.own and one.number not in promoted:
            return one.number
    return None


def ranking(trials: Sequence[Standing], *, rising: bool) -> list[Standing]:
    """The best first; of equal ones, the earlier."""
    return sorted(trials, key=lambda one: (-one.value if rising else one.value, one.number))
