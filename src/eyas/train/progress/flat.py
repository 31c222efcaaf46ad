"""A loss that does not fall is said early: nobody need wait for the last epoch to find that nothing was learnt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eyas.core import console
from eyas.diagnose import epochs
from eyas.diagnose.epochs import FLAT_EPOCHS, FLAT_FALL
from eyas.train.progress.history import EpochRow


def warn_if_flat(history: Sequence[EpochRow], labels: NDArray[np.int64], rate: float) -> None:
    """One line on standard error when the first or any later `FLAT_EPOCHS` epochs in a row have just become flat.

    Args:
        rate: the learning rate before any schedule.
    """
    if is_flat(history, labels) and not is_flat(history[:-1], labels):
        row = history[-1]
        console.warn(
            f"in {FLAT_EPOCHS} epochs the loss has not fallen by {FLAT_FALL:.0%} (now {row.loss:.4f}) and the "
            f"accuracy, {row.accuracy:.4f}, is no better than always naming the commonest class; try "
            f"train.learning_rate={rate / 10:.2g} or {rate * 10:.2g}, and look at the "
            "images with `eyas data preview`"
        )


def is_flat(history: Sequence[EpochRow], labels: NDArray[np.int64]) -> bool:
    """`diagnose.epochs.is_flat` of these epochs."""
    losses, accuracies = (np.array([getattr(row, name) for row in history]) for name in ("loss", "accuracy"))
    return epochs.is_flat(losses, accuracies, np.bincount(labels).max() / len(labels))
