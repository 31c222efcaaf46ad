"""`last.pt`: everything that training needs to go on as if it had never stopped."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from eyas.core.errors import ResumeError
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.nn import load_weights
from eyas.nn.weights import save, take_weights
from eyas.train.progress.history import EpochRow
from eyas.train.progress.stopping import Stopping
from eyas.train.step import Learner

# Keys that may differ between a run and its continuation: they do not change what a finished epoch computed.
MAY_CHANGE = (
    "train.epochs",
    "train.checkpoint_minutes",
    "train.early_stopping",
    "train.workers",
    "train.launcher",
    "train.threads",
    "train.compile",
    "track",
    "serve",
    "export",
)


@dataclass
class Position:
    """Where training stands."""

    epoch: int = 0
    """Finished epochs."""
    step: int = 0
    """Finished steps of the epoch under way."""
    totals: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    """Of those steps: summed loss, correct answers, images."""
    seconds: float = 0.0
    """Spent on those steps."""
    history: list[EpochRow] = field(default_factory=list)

    def finish(self, row: EpochRow) -> None:
        """The epoch is over."""
        self.history.append(row)
        self.epoch, self.step, self.seconds = row.epoch, 0, 0.0
        self.totals = [0.0, 0.0, 0.0]


def save_checkpoint(file: Path, learner: Learner, stopping: Stopping, position: Position, **about: Any) -> None:
    """Write the whole state of training, whole or not at all."""
    average = learner.average
    save(
        file,
        {
            "weights": learner.network.state_dict(),
            "average": {"weights": average.network.state_dict(), "steps": average.steps} if average else None,
            "optimizer": learner.optimizer.state_dict(),
            "stopping": stopping.state(),
            "position": {**position.__dict__, "history": [row.as_dict() for row in position.history]},
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state() if learner.on_gpu else None,
            **about,
        },
    )


def restore_checkpoint(state: dict[str, Any], learner: Learner, stopping: Stopping, file: Path) -> Position:
    """Put everything back where `save_checkpoint` found it.

    Raises:
        TrainingError: the state, read from `file`, is another network's.
    """
    take_weights(learner.network, state["weights"], file)
    if learner.average:
        take_weights(learner.average.network, state["average"]["weights"], file)
        learner.average.steps = state["average"]["steps"]
    learner.optimizer.load_state_dict(state["optimizer"])
    stopping.restore(state["stopping"])
    torch.set_rng_state(state["random"])
    if state["random_cuda"] is not None and learner.on_gpu:
        torch.cuda.set_rng_state(state["random_cuda"])
    position = Position(**state["position"])
    position.history = [EpochRow(**row) for row in state["position"]["history"]]
    return position


def read_checkpoint(file: Path, dataset: Dataset) -> dict[str, Any] | None:
    """The saved state, or None where the run was killed before its first checkpoint.

    Raises:
        DataError: the data are no longer those that the run was trained on.
        TrainingError: the file is damaged.
    """
    if not file.exists():
        return None
    state = load_weights(file)
    dataset.require(state["fingerprint"], file.parent)
    return state


def check_same(before: Config, now: Config, where: Path) -> None:
    """Refuse a continuation under another configuration.

    A schedule, progressive resizing or `augment.strong_until` fixes the number of epochs too.

    Raises:
        ResumeError: names the keys that differ and both values.
    """
    changed = [
        f"{key}: {old!r} → {new!r}"
        for key, old, new in _differences(before.model_dump(), now.model_dump())
        if not key.startswith(MAY_CHANGE) or (key == "train.epochs" and _spans_the_run(before))
    ]
    if changed:
        raise ResumeError(
            f"{where} cannot go on with a changed configuration ({'; '.join(changed)}); start a new run, "
            f"or change only {', '.join(MAY_CHANGE)}"
        )


def _spans_the_run(config: Config) -> bool:
    """Whether something unfolds over all epochs, so that their number decides what each of them computes."""
    train = config.train
    return train.schedule != "constant" or train.image_sizes is not None or config.augment.strong_until < 1


def _differences(old: Any, new: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = list(dict.fromkeys([*old, *new]))
        return [d for k in keys for d in _differences(old.get(k), new.get(k), f"{key}.{k}" if key else k)]
    return [] if old == new else [(key, old, new)]
