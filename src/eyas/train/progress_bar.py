"""A run on the terminal."""

from __future__ import annotations

from rich.progress import TaskID

from eyas.core.console import err, progress
from eyas.train.callbacks import Callback, EpochEnd, RunStart
from eyas.train.progress.history import EpochRow


class ProgressBar(Callback):
    """A bar over all steps with loss, metrics, ETA and the patience left; plain lines where there is no terminal."""

    def __init__(self) -> None:
        self._bar = progress()
        self._task = TaskID(0)
        self._steps = self._epochs = self._done = 0
        self._patience = ""

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

    def close(self) -> None:
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
