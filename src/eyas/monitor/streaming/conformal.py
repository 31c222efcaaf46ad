"""Smoothed conformal p-values in constant memory, exactly uniform however long the stream.

n held-out scores cut the line into n + 1 gaps. If they and the new scores are exchangeable and continuous, the gap of
the next one, given the gaps of all before, is drawn as from Pólya's urn: gap g with chance

    (1 + new scores already in g) / (n + 1 + all new scores)

So a rank needs counts only, one for each gap, and

    p = (weight of the gaps above + u · weight of its own gap) / total weight,   u ~ U(0, 1)

are independent and uniform: the smoothed conformal p-values (Vovk, Gammerman & Shafer 2005, sections 2.5 and 8.1) with
every earlier score in the comparison set, where scores in one gap are ranked at random. Neighbouring gaps may be
joined, since urns add up; here into some 45 blocks, single gaps at both ends, where shifts show.

A comparison set that stayed as it was would give p-values that are uniform on average over held-out sets but not for
the one at hand, and 10,000 requests are enough to tell 5,000 held-out images from the truth. The price of exactness
is that a shift is slowly learned; the monitor stops learning at an alarm. (Volkhonskiy et al. 2017 keep the set and
accept the bias; Bates et al. 2023, section 3, bound it.)

Equal scores are ordered by a random second number: held-out ones by a drawn one each, the new one by its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCKS = 32
"""Of equal weight, before those at the ends are split."""
MIN_CLASS_IMAGES = 30
"""A class predicted for fewer held-out images than this shares an urn with the others like it."""


class Urn:
    """Pólya's urn over the gaps between held-out scores.

    Args:
        scores: (n,) held-out, finite; n may be 0, where every p is uniform and says nothing.
        rng: orders equal scores; the same seed gives the same urn.
    """

    def __init__(self, scores: NDArray[np.floating[Any]], rng: np.random.Generator) -> None:
        ties = rng.random(len(scores))
        order = np.lexsort((ties, scores))
        ranks = edge_ranks(len(scores))
        at = order[ranks - 1]
        self._edges = list(zip(scores[at].tolist(), ties[at].tolist(), strict=True))
        bounds = np.concatenate([[0], ranks, [len(scores) + 1]])
        self._start = np.diff(bounds).tolist()
        self.counts: list[int] = list(self._start)
        self._total = sum(self.counts)

    def p_value(self, score: float, tie: float, u: float, learn: bool = True) -> float:
        """p of a new score, near 0 for one above all others.

        Args:
            score: a new one.
            tie: uniform on [0, 1); orders it among equal ones.
            u: uniform on [0, 1).
            learn: count it for those that follow.
        """
        block = bisect_right(self._edges, (score, tie))
        counts = self.counts
        p = (sum(counts[block + 1 :]) + u * counts[block]) / self._total
        if learn:
            counts[block] += 1
            self._total += 1
        return p

    def forget(self, score: float, tie: float) -> None:
        """Take back what `p_value` learned of a score."""
        self.counts[bisect_right(self._edges, (score, tie))] -= 1
        self._total -= 1

    def restore(self, counts: Sequence[int]) -> None:
        """Go on with the counts of another time."""
        self.counts = list(counts)
        self._total = sum(counts)


class ClassUrns:
    """An urn for each predicted class, so that p is uniform whatever the shares of the classes (Mondrian).

    Classes with fewer than `MIN_CLASS_IMAGES` held-out images form one category of their own.

    Args:
        scores: (R,).
        predicted: (R,) in [0, classes).
        classes: K.
    """

    def __init__(
        self, scores: NDArray[np.floating[Any]], predicted: NDArray[np.int64], classes: int, rng: np.random.Generator
    ) -> None:
        counts = np.bincount(predicted, minlength=classes)
        small = counts < MIN_CLASS_IMAGES
        rest = Urn(scores[small[predicted]], rng)
        self._of_class = [rest if small[k] else Urn(scores[predicted == k], rng) for k in range(classes)]
        self.urns = [rest, *(urn for urn in self._of_class if urn is not rest)]

    def of_class(self, predicted: int) -> Urn:
        """The urn that a predicted class is compared in."""
        return self._of_class[predicted]


def edge_ranks(count: int) -> NDArray[np.int64]:
    """Which of n sorted scores bound blocks: equal steps, halved again and again towards both ends.

    Returns:
        (B - 1,) distinct ranks in [1, n], ascending. Those of any n up to `BLOCKS` are all of them.
    """
    step = max(1.0, (count + 1) / BLOCKS)
    equal = np.arange(1, BLOCKS) * step
    halved = step * 0.5 ** np.arange(1, 40)
    ranks = np.concatenate([equal, halved, count + 1 - halved])
    found: NDArray[np.int64] = np.unique(np.floor(ranks).astype(np.int64))
    return found[(found >= 1) & (found <= count)]
