"""A rollout that is under way, as the processes of a service tell each other."""

from __future__ import annotations

import msgspec


class Split(msgspec.Struct, frozen=True):
    """A rollout that is under way, as the workers need it."""

    number: int
    """Of the model's rollouts."""
    step: int
    """Of its moves: another one after each."""
    challenger: str
    """The version that is to take over from the live one."""
    share: float
    """Of the requests, in [0, 1], that the challenger answers."""
    shadow_share: float
    """Of the requests that it is asked as well, its answers unseen."""
    salt: str
