"""`history.csv`, read back."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError
from eyas.core.monitored import is_rising

COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")

History = dict[str, NDArray[np.float64]]


def read_history(file: Path) -> History:
    """All columns of a run's `history.csv`, `COLUMNS` among them: (epochs,) each, NaN where a cell is empty.

    Raises:
        DataError: no such file, a column missing, a cell that is no number, or no epochs.
    """
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    if not rows:
        raise DataError(f"{file} must hold at least 1 epoch, got 0")
    missing = [name for name in COLUMNS if name not in rows[0]]
    if missing:
        raise DataError(f"{file} must have the columns {', '.join(COLUMNS)}; it lacks {', '.join(missing)}")
    return {name: np.array([_number(file, row, name) for row in rows]) for name in rows[0]}


def best_epoch(history: History, monitor: str) -> tuple[int, str]:
    """Row of the best epoch by `monitor`, and what it was judged by: its training twin where it is empty.

    Lower is better for a loss and for the ECE, higher for the others; the first of equals, as in training.
    """
    name = monitor if np.isfinite(history[monitor]).any() else monitor.removeprefix("val_")
    values = -history[name] if is_rising(name) else history[name]
    return int(np.argmin(np.where(np.isfinite(values), values, np.inf))), name


def _number(file: Path, row: dict[str, str | None], name: str) -> float:
    cell = row[name]
    try:
        return float(cell) if cell else float("nan")
    except ValueError as error:
        raise DataError(f"{file}: {name} must be a number, got {cell!r} in epoch {row['epoch']}") from error
