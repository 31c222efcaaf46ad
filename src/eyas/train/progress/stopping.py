"""When the monitored value no longer improves: keep the best, stop early, lower the rate; counted as Keras counts."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any, Self

from eyas.core.monitored import is_rising
from eyas.core.schema import EarlyStoppingConfig, Monitor, PlateauConfig

SEEN = ("best", "best_epoch", "wait")


@dataclass
class Watch:
    """Counts epochs since the monitored value last improved by more than `min_delta`."""

    larger_is_better: bool
    min_delta: float = 0.0
    best: float = inf
    best_epoch: int = 0
    wait: int = 0

    @classmethod
    def of(cls, monitor: Monitor, min_delta: float = 0.0) -> Self:
        """As the monitored value is to fall or to rise."""
        rising = is_rising(monitor)
        return cls(rising, min_delta, best=-inf if rising else inf)

    def update(self, value: float, epoch: int) -> bool:
        """Whether `value` is the best so far."""
        gain = value - self.best if self.larger_is_better else self.best - value
        if gain > self.min_delta:
            self.best, self.best_epoch, self.wait = value, epoch, 0
            return True
        self.wait += 1
        return False


@dataclass
class Stopping:
    """The three rules together; `state` goes into the checkpoint."""

    best: Watch
    early: Watch | None
    plateau: Watch | None
    patience: int
    rule: PlateauConfig | None

    @classmethod
    def of(cls, monitor: Monitor, early: EarlyStoppingConfig | None, plateau: PlateauConfig | None) -> Self:
        """From the configuration."""
        return cls(
            best=Watch.of(monitor),
            early=Watch.of(monitor, early.min_delta) if early else None,
            plateau=Watch.of(monitor) if plateau else None,
            patience=early.patience if early else 0,
            rule=plateau,
        )

    def update(self, value: float, epoch: int, rate: float) -> tuple[bool, float]:
        """Take in one epoch's value.

        Returns:
            Whether it is the best so far, and the learning rate from now on.
        """
        if self.early:
            self.early.update(value, epoch)
        if self.plateau and self.rule:
            self.plateau.update(value, epoch)
            if self.plateau.wait >= self.rule.patience:
                self.plateau.wait = 0
                rate = max(rate * self.rule.factor, min(rate, self.rule.min_learning_rate))
        return self.best.update(value, epoch), rate

    @property
    def patience_left(self) -> int | None:
        """Epochs without an improvement before training stops; None where it never does."""
        return self.patience - self.early.wait if self.early else None

    @property
    def stop(self) -> bool:
        """Whether patience has run out."""
        return self.early is not None and self.early.wait >= self.patience

    def state(self) -> dict[str, Any]:
        """What was seen, as plain values; the rules themselves belong to the configuration."""
        return {name: {key: getattr(watch, key) for key in SEEN} for name, watch in self._watches().items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        for name, watch in self._watches().items():
            if name in state:
                watch.__dict__.update(state[name])

    def _watches(self) -> dict[str, Watch]:
        named = {"best": self.best, "early": self.early, "plateau": self.plateau}
        return {name: watch for name, watch in named.items() if watch}
