"""What may watch a training run: the progress bar here, trackers elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rich.progress import TaskID

from eyas.core.console import err, progress
from eyas.core.runs import RunFolder
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.nn import Network


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
    val_balanced_accuracy: float | None
    val_macro_f1: float | None
    val_ece: float | None
    learning_rate: float
    seconds: float
    """Training and validation together."""

    def as_dict(self) -> dict[str, Any]:
        """Column → value."""
        return asdict(self)

    def value(self, monitor: str) -> float:
        """The monitored value."""
        return float(getattr(self, monitor))


@dataclass(frozen=True)
class RunStart:
    """Training begins, or goes on."""

    run: RunFolder
    config: Config
    dataset: Dataset
    network: Network
    precision: str
    """fp32 or bf16."""
    device: str
    """cpu or cuda."""
    steps: int
    """An epoch."""
    history: Sequence[EpochRow]
    """Epochs that were finished before; empty for a new run."""


@dataclass(frozen=True)
class EpochEnd:
    """An epoch is done."""

    row: EpochRow
    best: bool
    """The best so far."""
    patience_left: int | None
    """Epochs before early stopping; None where it is off."""
    predictions: NDArray[np.int64] | None
    """(N,) predicted classes of the validation split, in its order; None without one."""


@dataclass(frozen=True)
class RunEnd:
    """Training is over; everything in the run folder is written."""

    finished: bool
    """False where Ctrl-C stopped it."""
    best: EpochRow | None
    """None where not one epoch was finished."""


class Callback:
    """Called by the loop in the main process. An exception raised here ends the run, the checkpoint kept."""

    def on_start(self, start: RunStart) -> None:
        """Training begins or goes on."""

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        """Step `step` of the epoch, from 1, is done; loss and accuracy are means over the epoch so far."""

    def on_epoch(self, end: EpochEnd) -> None:
        """An epoch is done."""

    def on_end(self, end: RunEnd) -> None:
        """Training is over. Not called where it failed."""


class ProgressBar(Callback):
    """A bar over all steps with loss, metrics, ETA and the patience left; plain lines where there is no terminal."""

    def __init__(self) -> None:
        self._bar = progress()
        self._task = TaskID(0)
        self._steps = self._epochs = self._done = 0
        self._patience = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def on_start(self, start: RunStart) -> None:
        """Size the bar, and show it."""
        self._bar.start()
        self._steps, self._epochs, self._done = start.steps, start.config.train.epochs, len(start.history)
        label = f"epoch {self._done + 1}/{self._epochs}"
        total, completed = self._epochs * self._steps, self._done * self._steps
        self._task = self._bar.add_task(label, total=total, completed=completed, status="")

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        """Move the bar."""
        status = f"loss {loss:.3f} acc {accuracy:.3f}{self._patience}"
        self._bar.update(self._task, completed=self._done * self._steps + step, status=status)

    def on_epoch(self, end: EpochEnd) -> None:
        """Print the epoch's line above the bar."""
        self._done = end.row.epoch
        err.print(describe(end.row, self._epochs, best=end.best))
        self._patience = "" if end.patience_left is None else f" patience {end.patience_left}"
        following = min(self._done + 1, self._epochs)
        self._bar.update(
            self._task,
            completed=self._done * self._steps,
            description=f"epoch {following}/{self._epochs}",
        )

    def on_end(self, end: RunEnd) -> None:
        """Take the bar away."""
        self._bar.stop()


def describe(row: EpochRow, epochs: int, *, best: bool) -> str:
    """One line for one epoch."""
    val = "" if row.val_loss is None else f"  val_loss {row.val_loss:.4f}  val_accuracy {row.val_accuracy:.4f}"
    mark = "  *" if best else ""
    width = len(str(epochs))
    return (
        f"epoch {row.epoch:>{width}}/{epochs}  loss {row.loss:.4f}  accuracy {row.accuracy:.4f}{val}"
        f"  lr {row.learning_rate:.2g}  {row.seconds:.1f}s{mark}"
    )
