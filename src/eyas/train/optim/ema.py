"""An exponential moving average of a network's weights."""

from __future__ import annotations

import copy

import torch

from eyas.nn import Network


class MovingAverage:
    """A second network whose weights follow the first's: a ← d a + (1 - d) w at each step.

    d grows with the steps t to its limit, min(decay, (1 + t) / (10 + t)), so that the first weights, which are random,
    are soon forgotten. Running statistics are averaged too.

    Args:
        decay: the share that is kept, such as 0.999.

    Source: Polyak & Juditsky 1992; the growing decay as in TensorFlow's `ExponentialMovingAverage(num_updates=…)`.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self.decay, self.steps = decay, 0
        followed, followers = network.state_dict(), self.network.state_dict()  # views: both follow their networks
        floating = [name for name, tensor in followed.items() if tensor.is_floating_point()]
        self._from, self._to = [followed[n] for n in floating], [followers[n] for n in floating]
        counters = followed.keys() - set(floating)
        self._counters = [(followers[name], followed[name]) for name in sorted(counters)]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are now."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self._to, self._from, 1 - decay)
        for mine, theirs in self._counters:
            mine.copy_(theirs)
