"""What is being done to bring a change about, one of these at a time."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from eyas.serve.messages import Version
from eyas.serve.processes.child import Child


@dataclass
class Trial:
    """A version is tried in a process of its own."""

    version: Version
    child: Child
    pause = inf
    """Seconds until there may be something to do, if nothing is heard before."""

    @property
    def doing(self) -> str:
        """In words."""
        return f"{self.version.model} {self.version.version} is being tried"


@dataclass
class _OfAll:
    """Every worker does something."""

    waiting: set[int]
    """The slots of those that have not done it."""
    deadline: float
    """On the monotonic clock."""

    @property
    def pause(self) -> float:
        """Seconds until there may be something to do, if nothing is heard before."""
        return inf if self.waiting else 0.0


@dataclass
class Preparation(_OfAll):
    """The workers load a version."""

    version: Version
    deaths: int = 0
    """Of workers, meanwhile."""
    pace: str = ""
    """How it runs, as the last of them said."""

    @property
    def doing(self) -> str:
        """In words."""
        return f"the workers load {self.version.model} {self.version.version}"


@dataclass
class Activation(_OfAll):
    """The workers serve another table from now on."""

    number: int
    doing = "the workers change over"
    """In words."""


Step = Trial | Preparation | Activation
