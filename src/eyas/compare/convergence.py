"""How soon a run reached an accuracy: in epochs, and in seconds of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

STEP = 0.005
"""A target that nobody named is rounded down to a multiple of this."""

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class Speed:
    """Of one arm, over its seeds."""

    epochs: tuple[int | None, ...]
    """The first epoch whose validation accuracy is at least the target, for each seed; None where none is."""
    seconds: tuple[float | None, ...]
    """Training and validation until then."""

    @property
    def reached(self) -> int:
        """Seeds that reached it."""
        return sum(epoch is not None for epoch in self.epochs)

    @property
    def mean_epochs(self) -> float | None:
        """None unless all seeds reached it: the others' mean would flatter."""
        return _mean(self.epochs)

    @property
    def mean_seconds(self) -> float | None:
        """None unless all seeds reached it."""
        return _mean(self.seconds)

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return {
            "epochs": list(self.epochs),
            "seconds": list(self.seconds),
            "mean_epochs": self.mean_epochs,
            "mean_seconds": self.mean_seconds,
        }


def common_target(curves: Sequence[Curve]) -> float:
    """The highest accuracy that every run reached, rounded down to a half per cent.

    Args:
        curves: (epochs,) validation accuracy of each run.
    """
    lowest = min(float(np.nanmax(curve)) for curve in curves)
    return round(floor(lowest / STEP + 1e-9) * STEP, 3)


def speed(curves: Sequence[Curve], seconds: Sequence[Curve], target: float) -> Speed:
    """When each seed of an arm reached the target.

    Args:
        curves: (epochs,) validation accuracy by epoch, for each seed.
        seconds: (epochs,) duration of each epoch.
        target: accuracy.
    """
    epochs: list[int | None] = []
    spent: list[float | None] = []
    for curve, durations in zip(curves, seconds, strict=True):
        there = np.flatnonzero(curve >= target)
        epochs.append(int(there[0]) + 1 if len(there) else None)
        spent.append(float(durations[: there[0] + 1].sum()) if len(there) else None)
    return Speed(tuple(epochs), tuple(spent))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
