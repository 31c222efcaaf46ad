"""What a run writes into its folder while it trains."""

from __future__ import annotations

from dataclasses import dataclass

from eyas.core import io
from eyas.core.config import dump_yaml
from eyas.core.runs import RunFolder
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.nn import save_weights
from eyas.train.progress.checkpoint import Position, save_checkpoint
from eyas.train.progress.history import EpochRow, write_history
from eyas.train.progress.stopping import Stopping
from eyas.train.step import Learner


@dataclass(frozen=True)
class Keeper:
    """Writes the run folder; in a group of processes only the main one does."""

    run: RunFolder
    dataset: Dataset
    scaling: tuple[list[float], list[float]]
    """Mean and deviation of each channel on [0, 1]."""
    learner: Learner
    stopping: Stopping
    position: Position

    def begin(self, config: Config) -> None:
        """The configuration, which a continuation may have changed a little, and the epochs so far.

        A kill may have come between `last.pt` and the history.
        """
        if self.learner.workers.main:
            io.write_text(self.run.config_file, dump_yaml(config))
            write_history(self.run.history, self.position.history)

    def checkpoint(self) -> None:
        """`last.pt` and `history.csv`."""
        if self.learner.workers.main:
            about = {"precision": self.learner.precision, "fingerprint": self.dataset.fingerprint}
            save_checkpoint(self.run.last, self.learner, self.stopping, self.position, **about)
            write_history(self.run.history, self.position.history)

    def best(self, row: EpochRow) -> None:
        """`best.pt`."""
        if self.learner.workers.main:
            save_weights(
                self.run.best,
                self.learner.answering,
                epoch=row.epoch,
                classes=list(self.dataset.classes),
                input_shape=list(self.dataset.policy.shape),
                mean=self.scaling[0],
                std=self.scaling[1],
                fingerprint=self.dataset.fingerprint,
            )
