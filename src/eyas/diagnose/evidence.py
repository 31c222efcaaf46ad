"""What a diagnosis is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eyas.core.schema import Config
from eyas.diagnose.history import History


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network in evaluation mode says of the images of one split."""

    probabilities: NDArray[np.float32]
    """(N, K), rows sum to 1."""
    labels: NDArray[np.int64]
    """(N,)."""

    @cached_property
    def wrong(self) -> int:
        """Images whose most probable class is not their label."""
        return int((self.probabilities.argmax(axis=1) != self.labels).sum())

    @property
    def images(self) -> int:
        """N."""
        return len(self.labels)

    @property
    def error(self) -> float:
        """The share of wrong answers."""
        return self.wrong / self.images


@dataclass(frozen=True, eq=False)
class SeedAnswers:
    """One run of several that differ by nothing but their seed."""

    train: Answers
    """Of training images as they are, without augmentation; a sample where there are many."""
    val: Answers


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything that is looked at, of one run and perhaps of others with other seeds."""

    run: Path
    config: Config
    history: History
    """Of the first run."""
    seeds: Sequence[SeedAnswers]
    """The first run, then the others."""
    class_counts: NDArray[np.int64]
    """(K,) training images of each class."""
    thumbnails: Mapping[str, NDArray[np.float32]]
    """Split → (n, d) coarse pixels in [0, 1] of a sample of its images, in the same order of columns for each split."""
    shares: Mapping[str, NDArray[np.int64]]
    """Split → (K,) images of each class."""
    leaks: Mapping[str, tuple[int, int]]
    """Split → its images whose very pixels stand in a split that trains or chooses too, and how many it has."""
    finished: bool
    """False where epochs are left to train."""
    reference_error: float | None
    """The error of a person, or the least that is possible (Bayes), in [0, 1); None where nobody knows it."""

    @property
    def first(self) -> SeedAnswers:
        """The run that is diagnosed."""
        return self.seeds[0]

    @property
    def chance(self) -> float:
        """Accuracy of always naming the commonest class."""
        return float(self.class_counts.max() / self.class_counts.sum())
