"""How long two models take for single images, measured in pairs on this machine."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np

from eyas.evaluate.arrays import Floats

WARM = 10
"""Answers of each that are not counted."""
PAIRS = 2000
"""So that twenty lie above the p99."""
SECONDS = 20.0


def time_pairs(
    champion: Callable[[int], object],
    challenger: Callable[[int], object],
    images: int,
    *,
    pairs: int = PAIRS,
    seconds: float = SECONDS,
) -> tuple[Floats, Floats]:
    """Time both in turn, each first in every other pair, so that what else the machine does falls on both alike.

    Args:
        champion, challenger: answer the image of that index.
        images: that there are, at least 1; they are taken one after the other, and again.
        pairs: at most.
        seconds: after which no other pair is begun; one is timed in any case.

    Returns:
        Seconds (R,) of each, 1 ≤ R ≤ `pairs`.
    """
    arms = champion, challenger
    for number in range(WARM):
        for answer in arms:
            answer(number % images)
    taken = np.empty((pairs, 2))
    end, done = perf_counter() + seconds, 0
    while done < pairs and (not done or perf_counter() < end):
        for arm in (0, 1) if done % 2 else (1, 0):
            began = perf_counter()
            arms[arm](done % images)
            taken[done, arm] = perf_counter() - began
        done += 1
    return taken[:done, 0], taken[:done, 1]
