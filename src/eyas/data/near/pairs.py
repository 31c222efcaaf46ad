"""What the search found, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eyas.data.near.search import Ints


@dataclass(frozen=True, eq=False)
class NearPairs:
    """P pairs of rows of a source, surest first; pairs with equal pixels are not among them."""

    first: Ints
    """(P,) rows, below those of `second`."""
    second: Ints
    mirrored: NDArray[np.bool_]
    """(P,) whether one looks like the mirror image of the other."""
    score: NDArray[np.float32]
    """(P,) estimated probability that both show one photograph."""

    def __len__(self) -> int:
        return len(self.first)

    def between(self, left: Ints, right: Ints) -> tuple[Ints, Ints, Ints]:
        """Pairs of a row of `left` and a row of `right`, which are disjoint or the same.

        Returns:
            (p,) positions in these pairs, (p,) the rows of `left`, (p,) those of `right`.
        """
        forth = np.isin(self.first, left) & np.isin(self.second, right)
        back = np.isin(self.first, right) & np.isin(self.second, left) & ~forth
        at = np.flatnonzero(forth | back)
        return at, np.where(back, self.second, self.first)[at], np.where(back, self.first, self.second)[at]


def no_pairs() -> NearPairs:
    """Nothing found."""
    none = np.empty(0, np.int64)
    return NearPairs(none, none, none.astype(np.bool_), none.astype(np.float32))


def later_copies(pairs: NearPairs, rows: Ints) -> dict[int, int]:
    """Rows that may go because a near-duplicate of them stays: copy → the one that stays.

    Rows are gone through in order, and one goes where a lower one that stays is its pair. (Whole connected groups would
    be too much: a chain of pairs may join two images that are not alike.)
    """
    _, first, second = pairs.between(rows, rows)
    earlier: dict[int, list[int]] = {}
    for low, high in zip(first.tolist(), second.tolist(), strict=True):
        earlier.setdefault(high, []).append(low)
    copies: dict[int, int] = {}
    for row in sorted(earlier):
        if stays := [low for low in earlier[row] if low not in copies]:
            copies[row] = stays[0]
    return copies
