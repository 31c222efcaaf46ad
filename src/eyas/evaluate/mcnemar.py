"""Exact tests of two models on the same images: is one worse, and is it worse by no more than a margin?

Of n images, b are right by the champion alone ("lost") and c by the challenger alone ("gained"); k = b + c. The loss of
accuracy is δ = P(lost) - P(gained), and ψ = P(lost) + P(gained).

Sources: McNemar 1947; the exact test: Mosteller 1952. The bound of a nuisance at a price γ: Berger & Boos 1994, *P
values maximized over a confidence set for the nuisance parameter*.
"""

from __future__ import annotations

from math import exp, log, log1p

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError

GAMMA = 1e-3
STEPS = 60
# What is clearly better: right on so much more, and by an exact test at this level over all that is tried.
LEAST_GAIN = 0.01
ALPHA = 0.01


def two_sided(lost: int, gained: int) -> float:
    """p of "δ = 0": twice the smaller tail of b ~ Bin(k, 1/2)."""
    return min(1.0, 2 * min(worse(lost, gained), worse(gained, lost)))


def worse(lost: int, gained: int) -> float:
    """p of "δ ≤ 0": P(X ≥ b), X ~ Bin(k, 1/2). A small one says that the challenger is worse."""
    _check(lost, gained, lost + gained, 0.0)
    return at_least(lost, lost + gained, 0.5)


def clearly_better(champion: NDArray[np.bool_], challenger: NDArray[np.bool_], tried: int) -> bool:
    """Whether the challenger is right on 1 % more of the images, and not by luck.

    Args:
        champion, challenger: (N,) which images each has right.
        tried: how many challengers there are, of which this is the best.
    """
    lost, gained = int((champion & ~challenger).sum()), int((challenger & ~champion).sum())
    return gained - lost >= LEAST_GAIN * len(champion) and worse(gained, lost) < ALPHA / tried


def non_inferiority(lost: int, gained: int, images: int, margin: float) -> float:
    """p of "δ ≥ margin": a small one says that the challenger is worse by less than the margin.

    Two exact tests, of which twice the smaller p counts:

    - Given k, c ~ Bin(k, (ψ - δ) / 2ψ). With δ = margin the tail P(X ≥ c) grows with ψ, so we take the upper bound of
      ψ at level γ = 0.001 (Clopper & Pearson 1934) and add γ.
    - P(lost) ≥ δ, so b would be at least as large as Bin(n, margin); it decides where the two seldom differ.

    With margin 0 the first alone counts, and needs no ψ: McNemar's test that the challenger is better.

    Args:
        lost: b, images that the champion alone has right.
        gained: c, images that the challenger alone has right.
        images: n.
        margin: in [0, 1).

    Raises:
        DataError: counts or a margin out of range.
    """
    _check(lost, gained, images, margin)
    k = lost + gained
    if not margin:
        return at_least(gained, k, 0.5)
    most = _upper(k, images)
    given = GAMMA + (at_least(gained, k, (most - margin) / (2 * most)) if most > margin else 0.0)
    alone = at_least(images - lost, images, 1 - margin)
    return min(1.0, 2 * min(given, alone))


def _check(lost: int, gained: int, images: int, margin: float) -> None:
    if not 0 <= min(lost, gained) <= lost + gained <= images:
        raise DataError(f"lost and gained must be at least 0, and {images} together at most, got {lost} and {gained}")
    if not 0 <= margin < 1:
        raise DataError(f"a margin must be at least 0 and less than 1, got {margin}")


def _upper(k: int, n: int) -> float:
    """The ψ at which P(Bin(n, ψ) ≤ k) = γ, from above; 1 where k = n."""
    low, high = k / n if n else 1.0, 1.0
    if k == n:
        return 1.0
    choose = _log_choose(n)[: k + 1]
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _sum(choose, 0, n, middle) > GAMMA else (low, middle)
    return high


def at_least(c: int, k: int, p: float) -> float:
    """P(X ≥ c), X ~ Bin(k, p), 0 < p < 1."""
    return 1.0 if c <= 0 else min(1.0, _sum(_log_choose(k)[c:], c, k, p))


def _sum(log_choose: NDArray[np.float64], first: int, n: int, p: float) -> float:
    if p >= 1:
        return float(first + len(log_choose) > n)
    x = np.arange(first, first + len(log_choose))
    logs = log_choose + x * log(p) + (n - x) * log1p(-p)
    largest = float(logs.max())
    return exp(largest) * float(np.exp(logs - largest).sum())


def _log_choose(n: int) -> NDArray[np.float64]:
    """(n + 1,) ln of n over 0 … n."""
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    found: NDArray[np.float64] = factorials[-1] - factorials - factorials[::-1]
    return found
