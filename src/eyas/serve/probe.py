"""Whether a graph gains by predicting images together, as it runs on this machine now.

Other programs only ever make a run longer, so the least seen of each kind is taken. The kinds take turns, and each
batch has single images before and after it: a machine that is quiet for a batch is quiet for one of those too. The time
is the wall's: by a thread's own clock a batch is free of other programs, and a single image still finds caches that
they have emptied. What remains of noise makes batches look worse, never better.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

# Batching is used where it saves at least so much of an image's time alone, which is more than it costs.
LEAST_SHARE = 0.2
LEAST_GAIN = 100e-6
LEAST_ROUNDS = 5
SECONDS = 0.15
"""For rounds beyond the fewest."""


def probe(one: Callable[[], float], many: Callable[[], float], size: int) -> tuple[float, float]:
    """Least seconds an image, alone and in a batch.

    An image that takes less than `LEAST_GAIN` alone cannot gain as much: it has the fewest rounds.

    Args:
        one, many: run the graph on a single image, and on a batch, and tell the seconds that it took.
        size: images in a batch.
    """
    alone, together = inf, inf
    spent, rounds = 0.0, 0
    while rounds < LEAST_ROUNDS or (spent < SECONDS and alone > LEAST_GAIN):
        before, batch, after = one(), many(), one()
        alone, together = min(alone, before, after), min(together, batch / size)
        spent += before + batch + after
        rounds += 1
    return alone, together


def gains(alone: float, together: float) -> bool:
    """Whether batches are worth it, by the seconds an image of `probe`."""
    return alone - together > max(LEAST_GAIN, LEAST_SHARE * alone)
