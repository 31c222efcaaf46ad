"""A loss that does not fall is said early: nobody need wait for the last epoch to find that nothing was learnt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eyas.core.console import err
from eyas.train.progress.history import EpochRow

EPOCHS = 3
LEAST_FALL = 0.01


def warn_if_flat(history: Sequence[EpochRow], labels: NDArray[np.int64], rate: float) -> None:
    """One line on standard error when the first or any later `EPOCHS` epochs in a row have just become flat.

    Args:
        rate: the learning rate before any schedule.
    """
    if is_flat(history, labels) and not is_flat(history[:-1], labels):
        row = history[-1]
        err.print(
            f"warning: in {EPOCHS} epochs the loss has not fallen by {LEAST_FALL:.0%} (now {row.loss:.4f}) and the "
            f"accuracy, {row.accuracy:.4f}, is no better than always naming the commonest class; try "
            f"train.learning_rate={rate / 10:.2g} or {rate * 10:.2g}, and look at the "
            "images with `eyas data preview`",
            soft_wrap=True,
        )


def is_flat(history: Sequence[EpochRow], labels: NDArray[np.int64]) -> bool:
    """Whether the last epochs' training losses are within 1 % of one another, at no more than chance accuracy."""
    last = history[-EPOCHS:]
    if len(last) < EPOCHS:
        return False
    losses = [row.loss for row in last]
    chance = np.bincount(labels).max() / len(labels)
    steady = max(losses) - min(losses) <= LEAST_FALL * max(losses)
    return bool(steady and max(row.accuracy for row in last) <= 1.05 * chance)
