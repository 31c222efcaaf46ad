"""What lies in a folder that eyas works in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StudyKind = Literal["compare", "learning-curve", "tune"]


@dataclass(frozen=True)
class Run:
    """A run folder."""

    path: str
    epochs: int
    """Finished."""
    planned: int
    finished: bool
    """All epochs are trained, or early stopping ended it."""
    active: bool
    """It is not finished, and was written a moment ago: it may be training."""
    accuracy: float | None
    """On the test images; None where it was not evaluated on them."""
    exported: bool


@dataclass(frozen=True)
class Study:
    """Many runs in one folder: a comparison, a learning curve or a search."""

    path: str
    kind: StudyKind
    finished: bool


@dataclass(frozen=True)
class Model:
    """A model of a repository."""

    repository: str
    name: str
    versions: tuple[str, ...]
    """The newest last."""
    live: str | None
    rollout: str | None
    """`running` or `paused` where one is under way."""


@dataclass(frozen=True)
class Place:
    """Everything that was found, the newest first."""

    settings: str | None
    """The configuration file, where there is one that can be read."""
    source: str | None
    """The data that it names."""
    data: tuple[str, ...]
    """Folders with a sub-folder of images a class."""
    runs: tuple[Run, ...]
    more_runs: int
    """Older ones, not looked at."""
    studies: tuple[Study, ...]
    bundles: tuple[str, ...]
    """That lie outside of runs and repositories."""
    models: tuple[Model, ...]
    monitors: tuple[str, ...]
    """Folders that a watched service has written."""
    broken: tuple[str, ...]
    """What cannot be read, and why."""
