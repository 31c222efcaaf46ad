"""The difference of two shares, of streams that are independent and of any two lengths.

Arm a has n_a observations y in {0, 1} of share p_a in a block, arm b has n_b of share p_b. Against "p_b - p_a is at
most δ" we choose, before the block, a pair (a, a + δ) and stakes λ_a, λ_b ≥ 0 with n_a λ_a = n_b λ_b, and are paid

    Π_b (1 + λ_b (y - a - δ)) · Π_a (1 - λ_a (y - a))

Every factor is worth E_b = 1 + λ_b (p_b - a - δ) or E_a = 1 - λ_a (p_a - a) on average. Under the claim, with
t = p_a - a, these have the mean (n_b E_b + n_a E_a) / n ≤ 1 + (n_b λ_b t - n_a λ_a t) / n = 1: the unknown level t
cancels because the stakes balance. A product is at most the n-th power of the mean of its factors, so the block is
worth at most 1, whatever the level, and capital ever reaches 1/α with probability at most α (Ville 1939). The claim
may even be about a level that drifts in both arms alike.

This is the growth-optimal e-variable of Turner & Grünwald 2022, *Safe tests and always-valid confidence intervals for
contingency tables and beyond*, read backwards: they choose the alternative and look for the pair in the claim that is
nearest to it; we choose the pair and move away from it so that it stays the nearest, which needs no search.

The pair is where the counts before the block lie, and the stakes are those that suit a true difference of δ + Δ, for
several Δ, whose capitals are averaged. One such capital is kept for each δ of a grid, in both directions. The lower
bound is the last δ up to which all are refuted: only that none of the smaller ones was missed makes it one test at α.

Observations of an arm are to be independent: where users keep their arm and ask often, count one answer of each.

A pair that is far off costs much, so a block is never larger than all before it: a larger one is dealt out by lot.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError
from eyas.evaluate.bootstrap import Interval
from eyas.monitor.sequences.mean import log_mean
from eyas.monitor.sequences.nested import ConfidenceSequence

EFFECTS = np.array([0.005 * 2.0**k for k in range(7)])
LOG_WEIGHTS = np.log(np.full(len(EFFECTS), 1 / len(EFFECTS)))
GRID = (
    *(round(k / 1000, 3) for k in range(31)),
    *(round(k / 200, 3) for k in range(7, 21)),
    *(round(k / 50, 2) for k in range(6, 16)),
    *(round(k / 10, 1) for k in range(4, 10)),
)
BLOCK = 20
"""Observations that the smaller arm needs before its block is paid: small ones are seldom in proportion."""
MOST = 0.9
"""Of the largest stake that cannot lose everything."""
EDGE = 1e-3

Floats = NDArray[np.float64]


class Counts(NamedTuple):
    """Of one arm."""

    ones: int
    """Observations of 1; errors, say."""
    size: int
    """All observations."""


class DifferenceSequence(ConfidenceSequence):
    """p of the challenger less p of the champion.

    Observations wait until each arm has 20; when they are counted depends on how many came, never on what they are.

    Args:
        alpha: α in (0, 1).
        also: differences in (-1, 1) to put on the grid, such as a margin, so that bounds are exact there. Elsewhere
            they are rounded outwards: to 0.001 below 0.03, to 0.005 below 0.1, then more coarsely.
        grid: in place of the usual one; for tests of single differences.
    """

    def __init__(self, alpha: float = 0.05, also: Sequence[float] = (), grid: Sequence[float] | None = None) -> None:
        super().__init__(alpha, Interval(-1.0, 1.0))
        usual = (*GRID, *(-point for point in GRID)) if grid is None else grid
        points = sorted({float(point) + 0.0 for point in (*usual, *also)})
        if not points or not -1 < points[0] <= points[-1] < 1:
            raise DataError(f"differences must be greater than -1 and less than 1, got {list(also)} on {points[:3]}…")
        self._grid = np.array(points)
        self._won = np.zeros((2, len(points), len(EFFECTS)))  # ln of capital against ≤ δ, and against ≥ δ
        self._paid = np.zeros((2, 2))  # champion, challenger: ones, size
        self._waiting = np.zeros((2, 2))

    @property
    def champion(self) -> Counts:
        """All that was seen."""
        return Counts(*(self._paid + self._waiting)[0].astype(int).tolist())

    @property
    def challenger(self) -> Counts:
        """All that was seen."""
        return Counts(*(self._paid + self._waiting)[1].astype(int).tolist())

    @property
    def difference(self) -> float:
        """Of the shares seen; NaN before both arms have one."""
        (a, n_a), (b, n_b) = self.champion, self.challenger
        return b / n_b - a / n_a if n_a and n_b else float("nan")

    def update(self, champion: Counts, challenger: Counts) -> None:
        """Add observations of both arms.

        Raises:
            DataError: more ones than observations, or a negative number.
        """
        for name, arm in (("champion", champion), ("challenger", challenger)):
            if not 0 <= arm.ones <= arm.size:
                raise DataError(f"the {name}'s ones must lie in [0, {arm.size}], got {arm.ones}")
        self._waiting += np.array([champion, challenger], np.float64)
        if self._waiting[:, 1].min() >= BLOCK:
            self._pay()
            self._narrow()

    def log_evidence(self, difference: float) -> tuple[float, float]:
        """ln of the capital against "at most" and "at least" a difference of the grid; ln(1/α) refutes.

        Raises:
            DataError: it is not on the grid.
        """
        at = np.flatnonzero(np.isclose(self._grid, difference, rtol=0, atol=1e-12))
        if not len(at):
            raise DataError(f"{difference} must be on the grid; name it in `also`")
        below, above = log_mean(self._won + LOG_WEIGHTS)[:, at[0]].tolist()
        return below, above

    def _pay(self) -> None:
        rng = np.random.default_rng(self._paid[:, 1].astype(int).tolist())  # the outcomes play no part
        while self._waiting[:, 1].any():
            block = _dealt(self._waiting, self._paid[:, 1].sum(), rng)
            self._won[0] += log_payments(block, self._paid, self._grid)
            self._won[1] += log_payments(block[::-1], self._paid[::-1], -self._grid)
            self._paid += block
            self._waiting -= block

    def _bounds(self, level: float) -> Interval:
        below, above = log_mean(self._won + LOG_WEIGHTS) >= log(1 / level)
        from_below, from_above = _leading(below), _leading(above[::-1])
        low = float(self._grid[from_below - 1]) if from_below else -1.0
        return Interval(low, float(self._grid[-from_above]) if from_above else 1.0)


def _dealt(waiting: Floats, before: float, rng: np.random.Generator) -> Floats:
    """(2, 2) of those that wait: all, or as many as came `before`, in proportion and at least a block."""
    counts = waiting[:, 1]
    share = max(BLOCK / counts.min(), before / counts.sum())
    if share > 0.5:  # the rest might be less than a block
        return waiting.copy()
    sizes = np.ceil(counts * share)
    ones = rng.hypergeometric(waiting[:, 0].astype(int), (counts - waiting[:, 0]).astype(int), sizes.astype(int))
    return np.stack([ones, sizes], axis=1)


def log_payments(block: Floats, before: Floats, differences: Floats) -> Floats:
    """ln of what one block pays against "p_b - p_a is at most δ".

    Args:
        block: (2, 2) ones and size of arm a, and of arm b; both sizes positive.
        before: (2, 2) the same of all earlier blocks.
        differences: (D,) δ in (-1, 1).

    Returns:
        (D, E), by δ and effect Δ.
    """
    (ones_a, n_a), (ones_b, n_b) = block
    pair_a = _level(before, differences)
    pair_b = pair_a + differences
    # λ_j n_j = s; the best s for a small Δ is Δ over the variance of the difference of means.
    stakes = EFFECTS / (pair_a * (1 - pair_a) / n_a + pair_b * (1 - pair_b) / n_b)[:, None]
    stakes = np.minimum(stakes, MOST * np.minimum(n_b / pair_b, n_a / (1 - pair_a))[:, None])
    up, down = stakes / n_b, stakes / n_a
    pair_a, pair_b = pair_a[:, None], pair_b[:, None]
    paid: Floats = ones_b * np.log1p(up * (1 - pair_b)) + (n_b - ones_b) * np.log1p(-up * pair_b)
    paid += ones_a * np.log1p(-down * (1 - pair_a)) + (n_a - ones_a) * np.log1p(down * pair_a)
    return paid


def _level(before: Floats, differences: Floats) -> Floats:
    """(D,) a of the pair (a, a + δ) that lies near the counts before; inside the square, whatever δ."""
    (ones_a, n_a), (ones_b, n_b) = before
    weight = n_a + n_b + 2  # one more of each kind
    near = (ones_a + ones_b + 1 - (n_b + 1) * differences) / weight
    lowest, highest = np.maximum(0, -differences), np.minimum(1, 1 - differences)
    edge = EDGE * (highest - lowest)
    inside: Floats = np.clip(near, lowest + edge, highest - edge)
    return inside


def _leading(refuted: NDArray[np.bool_]) -> int:
    """How many are, before the first that is not."""
    return len(refuted) if refuted.all() else int(refuted.argmin())
