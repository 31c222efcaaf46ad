"""What lies in a folder that eyas works in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StudyKind = Literal["compare", "learning-curve", "tune"]


@dataclass(frozen=True)
class Run:
    """A run folder."""

    path: str
    state: str
    """`running`, `killed`, `elsewhere` (it says that it runs, and nobody here can know), or how it ended: `finished`,
    `paused`, `stopped` or `failed`; empty where it does not say: an older eyas, or imported."""
    epochs: int
    """Finished."""
    planned: int
    imported: bool
    """Its network was trained elsewhere."""
    finished: bool
    """All epochs are trained, early stopping ended it, or it was imported."""
    active: bool
    """It is training, or may be: where it does not say, it was written a moment ago."""
    accuracy: float | None
    """On the test images; None where it was not evaluated on them."""
    exported: bool
    model: str | None
    """The name and the version of its bundle; None where there is none that can be read."""
    version: str | None
    written: float
    """When training last wrote something: seconds since 1970."""


@dataclass(frozen=True)
class Study:
    """Many runs in one folder: a comparison, a learning curve or a search."""

    path: str
    kind: StudyKind
    finished: bool
    active: bool
    """It goes on, or may: only a search says so."""
    written: float
    """As a run's."""


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
    tried: str | None
    """The version of the last rollout."""
    unreadable: bool
    """What is live, or the rollout, cannot be read."""


@dataclass(frozen=True)
class Place:
    """Everything that was found, the newest first."""

    settings: str | None
    """The configuration file, where there is one that can be read."""
    unreadable: str | None
    """The same, where there is one that cannot."""
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
