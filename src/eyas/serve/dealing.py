"""A rollout in a worker: which version answers a request, and whether the challenger is asked as well."""

from __future__ import annotations

from typing import NamedTuple

from eyas.monitor.store import Arm
from eyas.rollout import Assignment
from eyas.serve.model import Model
from eyas.serve.split import Split


class Route(NamedTuple):
    """What answers a request, and as what."""

    model: Model
    id: str
    """By which its predictions are known later; the service's own, so that no two are alike."""
    arm: Arm = "champion"
    step: int = 0
    """Of the rollout that dealt it; 0 where none did."""
    keyed: bool = False
    """The arm is that of a user, whatever he asks; else it was drawn for this request alone."""
    shadow: Model | None = None
    """To be asked as well."""


class Dealer:
    """Deals a model's requests to two arms. A user stays with an arm, and never goes back from the challenger.

    Args:
        challenger: loaded.
    """

    def __init__(self, split: Split, challenger: Model) -> None:
        self._split, self._challenger = split, challenger
        self._assignment = Assignment(split.salt)

    def deal(self, champion: Model, key: str, request_id: str) -> Route:
        """What answers a request.

        Args:
            key: of the user; empty where there is none.
        """
        place = self._assignment.place(key, request_id)
        step = self._split.step
        if place < self._split.share:
            return Route(self._challenger, request_id, "challenger", step, bool(key))
        shadow = self._challenger if place < self._split.shadow_share else None
        return Route(champion, request_id, "champion", step, bool(key), shadow)
