"""A run in a notebook: one line that is drawn again and again, without widgets."""

from __future__ import annotations

import sys
from time import monotonic

from eyas.core.notebook import text
from eyas.train import Callback, EpochEnd, RunStart
from eyas.train.progress_bar import describe

REDRAW_SECONDS = 0.2


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this. A terminal's IPython is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return type(shell).__name__ == "ZMQInteractiveShell"


class NotebookBar(Callback):
    """A bar over all steps; below it the epoch that is under way, the last one, and the best."""

    def __init__(self) -> None:
        from IPython.display import DisplayHandle  # a notebook's kernel has it

        self._handle = DisplayHandle()  # type: ignore[no-untyped-call]
        self._steps = self._epochs = self._done = 0
        self._last = self._best = ""
        self._drawn = 0.0

    def on_start(self, start: RunStart) -> None:
        """Show the bar."""
        self._steps, self._epochs, self._done = start.steps, start.config.train.epochs, len(start.history)
        self._handle.display({"text/html": self._html(0, ""), "text/plain": str(start.run.path)}, raw=True)  # type: ignore[no-untyped-call]

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        """Move the bar."""
        if monotonic() - self._drawn > REDRAW_SECONDS:
            self._draw(step, f"epoch {self._done + 1}/{self._epochs}  loss {loss:.3f}  accuracy {accuracy:.3f}")

    def on_epoch(self, end: EpochEnd) -> None:
        """Say how the epoch went."""
        self._done = end.row.epoch
        self._last = describe(end.row, self._epochs, best=False)
        self._best = self._last if end.best else self._best
        self._draw(0, "")

    def _draw(self, step: int, now: str) -> None:
        self._drawn = monotonic()
        page = {"text/html": self._html(step, now), "text/plain": self._last}
        self._handle.update(page, raw=True)  # type: ignore[no-untyped-call]

    def _html(self, step: int, now: str) -> str:
        done, total = self._done * self._steps + step, self._epochs * self._steps
        lines = (now, f"last: {self._last}" * bool(self._last), f"best: {self._best}" * bool(self._best))
        return f'<progress value="{done}" max="{total}"></progress>' + "".join(text(line) for line in lines if line)
