"""What may watch a training run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eyas.core.console import err
from eyas.core.runs import RunFolder
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.nn import Network
from eyas.nn.from_keras import KerasBody
from eyas.train.progress.history import EpochRow


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
        """Step `step` of the epoch, from 1, is done; loss and accuracy are means over the epoch so far.

        On a GPU not every step is told: the host would wait for each.
        """

    def on_epoch(self, end: EpochEnd) -> None:
        """An epoch is done."""

    def on_pause(self, end: RunEnd) -> None:
        """The run has reached the epoch that it was to pause after, and may go on later. In place of `on_end`."""

    def on_end(self, end: RunEnd) -> None:
        """Training is over. Not called where it failed."""

    def close(self) -> None:
        """The last call, also where training failed."""


class Remarks(Callback):
    """Tells what may be unexpected of a network that the user brought, once, on standard error."""

    def on_start(self, start: RunStart) -> None:
        """A new run begins."""
        if not start.history and isinstance(start.network.body, KerasBody):
            for line in start.network.body.remarks.lines(start.config.data.normalize):
                err.print(f"note: {line}", markup=False)
