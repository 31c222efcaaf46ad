"""Stopping a run from inside, and comparing what two runs learnt."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import torch

from eyas.core.runs import RunFolder
from eyas.nn import load_weights
from eyas.train import Callback, EpochEnd


class StopAfter(Callback):
    """Presses Ctrl-C at the fourth step after `epochs` finished ones."""

    def __init__(self, epochs: int) -> None:
        self.epochs, self.done = epochs, 0

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        """Press."""
        if self.done == self.epochs and step == 3:
            signal.raise_signal(signal.SIGINT)

    def on_epoch(self, end: EpochEnd) -> None:
        """Count."""
        self.done = end.row.epoch


def weights(run: RunFolder, file: str | Path = "best.pt") -> dict[str, Any]:
    """The weights in one of a run's files."""
    found: dict[str, Any] = load_weights(run.path / file)["weights"]
    return found


def assert_same_weights(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Every tensor equal to the last bit."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name
