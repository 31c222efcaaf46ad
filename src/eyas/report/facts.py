"""All that a report on a run says, before it is put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eyas.core.runs import RunFolder
from eyas.core.schema import Config
from eyas.data import CheckReport
from eyas.data.split import SplitName
from eyas.diagnose import Diagnosis
from eyas.diagnose.history import History
from eyas.evaluate import Evaluation
from eyas.report.examples import Examples


@dataclass(frozen=True)
class Layer:
    """One layer with weights of its own."""

    name: str
    kind: str
    parameters: int


@dataclass(frozen=True, eq=False)
class RunFacts:
    """A run looked at from all sides."""

    run: RunFolder
    config: Config
    history: History
    check: CheckReport
    image_shape: tuple[int, int, int]
    """(H, W, C)."""
    class_counts: Mapping[SplitName, NDArray[np.int64]]
    """(K,) images of each class."""
    fingerprint: str
    parameters: int
    """Trainable."""
    layers: Sequence[Layer]
    best_epoch: int
    """From 1; 0 where the network was trained elsewhere."""
    evaluations: Mapping[SplitName, Evaluation]
    """Of val and test, where they have images; never empty."""
    examples: Examples
    """Of the last of the evaluated splits."""
    temperature: float | None
    """Fitted to the validation split; None without one."""
    diagnosis: Diagnosis | None
    """None without a validation split."""
    environment: Mapping[str, str]
    finished: bool
    """False where epochs are left to train."""

    @property
    def imported(self) -> bool:
        """Whether the network was trained elsewhere, so that there are no epochs to tell of."""
        return self.best_epoch == 0

    @property
    def classes(self) -> tuple[str, ...]:
        """K names."""
        return self.check.classes

    @property
    def final(self) -> tuple[SplitName, Evaluation]:
        """Test where there is one, else validation."""
        return list(self.evaluations.items())[-1]
