"""What may watch a training run: the progress bar here, trackers elsewhere."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from rich.progress import TaskID

from eyas.core.console import err, progress


@dataclass(frozen=True)
class EpochRow:
    """One epoch; one row of `history.csv`. Losses are means per image and include the L2 penalty, as in Keras."""

    epoch: int
    """From 1."""
    loss: float
    """Mean over the epoch's steps, in training mode."""
    accuracy: float
    val_loss: float | None
    """None without a validation split."""
    val_accuracy: float | None
    learning_rate: float
    seconds: float
    """Training and validation together."""

    def as_dict(self) -> dict[str, Any]:
        """Column → value."""
        return asdict(self)

    def value(self, monitor: str) -> float:
        """The monitored value."""
        return float(getattr(self, monitor))


class Callback(Protocol):
    """Called by the loop; an exception raised here ends the run."""

    def on_start(self, epochs: int, steps: int, first_epoch: int) -> None:
        """Training begins or goes on: `epochs` in all, `steps` an epoch, `first_epoch` finished ones."""

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        """Step `step` of the epoch, from 1, is done; loss and accuracy are means over the epoch so far."""

    def on_epoch(self, row: EpochRow, *, best: bool, patience_left: int | None) -> None:
        """An epoch is done; `best` if it is the best so far; `patience_left` epochs before early stopping."""


class ProgressBar:
    """A bar over all steps with loss, metrics, ETA and the patience left; plain lines where there is no terminal."""

    def __init__(self) -> None:
        self._bar = progress()
        self._task = TaskID(0)
        self._steps = self._epochs = self._done = 0
        self._patience = ""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def on_start(self, epochs: int, steps: int, first_epoch: int) -> None:
        """Size the bar."""
        self._steps, self._epochs, self._done = steps, epochs, first_epoch
        label = f"epoch {first_epoch + 1}/{epochs}"
        self._task = self._bar.add_task(label, total=epochs * steps, completed=first_epoch * steps, status="")

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        """Move the bar."""
        status = f"loss {loss:.3f} acc {accuracy:.3f}{self._patience}"
        self._bar.update(self._task, completed=self._done * self._steps + step, status=status)

    def on_epoch(self, row: EpochRow, *, best: bool, patience_left: int | None) -> None:
        """Print the epoch's line above the bar."""
        self._done = row.epoch
        err.print(describe(row, self._epochs, best=best))
        self._patience = "" if patience_left is None else f" patience {patience_left}"
        following = min(row.epoch + 1, self._epochs)
        self._bar.update(
            self._task,
            completed=row.epoch * self._steps,
            description=f"epoch {following}/{self._epochs}",
        )


def describe(row: EpochRow, epochs: int, *, best: bool) -> str:
    """One line for one epoch."""
    val = "" if row.val_loss is None else f"  val_loss {row.val_loss:.4f}  val_accuracy {row.val_accuracy:.4f}"
    mark = "  *" if best else ""
    width = len(str(epochs))
    return (
        f"epoch {row.epoch:>{width}}/{epochs}  loss {row.loss:.4f}  accuracy {row.accuracy:.4f}{val}"
        f"  lr {row.learning_rate:.2g}  {row.seconds:.1f}s{mark}"
    )
