"""The swarm: particles over mixed spaces that are asked for points and told their values. NumPy alone."""

from eyas.tune.swarm.moves import State
from eyas.tune.swarm.swarm import Move, Swarm

__all__ = ["Move", "State", "Swarm"]
