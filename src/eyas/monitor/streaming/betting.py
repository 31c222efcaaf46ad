"""Bets against p-values being uniform.

A betting function is a density f on [0, 1]: capital 1 before p is seen is worth f(p) after. Under uniform p its mean
is 1, whatever happened before, so products of bets are martingales. Here each is written by its distribution function
F and paid by the mean of f over the cell of p, one of `CELLS` equal ones: (F(b) - F(a)) · CELLS. Means over the cells
are then 1 exactly, and no bet is infinite.

- powers, F = p^κ: many p near 0, or (mirrored) near 1 (Vovk, Nouretdinov & Gammerman 2003, *Testing exchangeability
  on-line*);
- lines, f = 1 + ε (1 - 2p): a shift of the whole (the bets of the simple jumper, Vovk et al. 2021, *Retrain or not
  retrain: conformal test martingales for change-point detection*, algorithm 1);
- both ends, and the middle: a spread that is wider or narrower.

Several functions are averaged, at a price of the logarithm of their number.
"""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray

CELLS = 1024
POWERS = (0.2, 0.5)
SLOPES = (-0.9, -0.3, 0.3, 0.9)


def betting_table() -> NDArray[np.float64]:
    """(CELLS, E) payments, column means 1: row = cell of p, column = betting function."""
    p = np.linspace(0, 1, CELLS + 1)
    functions = [p**power for power in POWERS]
    functions += [1 - (1 - p) ** power for power in POWERS]
    functions += [p + slope * p * (1 - p) for slope in SLOPES]
    functions += [(p**0.5 + 1 - (1 - p) ** 0.5) / 2, (p + 3 * p**2 - 2 * p**3) / 2]
    table: NDArray[np.float64] = np.diff(np.stack(functions, axis=1), axis=0) * CELLS
    return table


def cell_of(p: float) -> int:
    """The row of the table that pays for p in [0, 1]."""
    return min(int(p * CELLS), CELLS - 1)


def cells_of(p: NDArray[np.float64]) -> NDArray[np.int64]:
    """`cell_of` each; 0 where p is NaN."""
    return np.minimum((np.nan_to_num(p) * CELLS).astype(np.int64), CELLS - 1)


def start_share(request: int) -> float:
    """π_t, the stake that is kept back for a change at request t = 1, 2, …: c / ((t + 1) ln²(t + 1)).

    Their sum is at most 1: Σ_{n ≥ 2} 1 / (n ln² n) = 2.1097…, and c = 0.47.
    """
    later = request + 1
    return 0.47 / (later * log(later) ** 2)
