"""Values from several budgets on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median


def gains(curves: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """What to add to a value at each rung where a point has ended, to compare it with those at the highest.

    It is the median change from that rung to the next where a point has ended, over the points that were told at both,
    added up to the top; a change that no point tells counts as 0.

    Args:
        curves: rung: value, of each point that was told any.
    """
    ends = sorted({max(curve) for curve in curves}, reverse=True)
    found = dict.fromkeys(ends[:1], 0.0)
    for following, rung in pairwise(ends):
        changes = [curve[following] - curve[rung] for curve in curves if following in curve and rung in curve]
        found[rung] = found[following] + (median(changes) if changes else 0.0)
    return found
