"""The finished epochs of a run, and `history.csv`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

from eyas.core import io


@dataclass(frozen=True)
class EpochRow:
    """One epoch; one row of `history.csv`. Losses are means per image and include the L2 penalty, as in Keras."""

    epoch: int
    """From 1."""
    loss: float
    """Mean over the epoch's steps, in training mode, on the training images as augmented."""
    accuracy: float
    """Of the same; where labels are mixed, of the larger share's."""
    val_loss: float | None
    """None without a validation split, like all that begin with `val_`."""
    val_accuracy: float | None
    val_top5: float | None
    """The label among the min(5, K) most probable classes."""
    val_balanced_accuracy: float | None
    """Mean recall over the classes."""
    val_macro_f1: float | None
    val_ece: float | None
    """Expected calibration error."""
    learning_rate: float
    seconds: float
    """Training and validation together."""

    def as_dict(self) -> dict[str, Any]:
        """Column → value."""
        return asdict(self)

    def value(self, monitor: str) -> float:
        """The monitored value."""
        return float(getattr(self, monitor))


def write_history(file: Path, history: Sequence[EpochRow]) -> None:
    """`history.csv`, whole or not at all; a missing validation value is an empty cell."""
    io.write_csv(file, [field.name for field in fields(EpochRow)], map(astuple, history))
