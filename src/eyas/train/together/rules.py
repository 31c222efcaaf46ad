"""The rules of `train.optim` for the rows of a matrix, each with a rate, a decay and a momentum of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from eyas.core.errors import TrainingError
from eyas.train.optim.optimizers import KERAS_EPSILON, KERAS_RHO, SGD, Adam, Optimizer, RMSprop, Rule
from eyas.train.together.stack import as_row, fill


class StackedRule(ABC):
    """One rule for B models; their own optimisers stand still until `unload`.

    Args:
        optimizers: B of one class, all as many steps on their way.
        names: of the tensors that the rule keeps; one whose optimiser does not keep it has momentum 0.
    """

    def __init__(self, optimizers: Sequence[Rule], names: Sequence[str]) -> None:
        self.optimizers = optimizers
        self.base_rate, self.decay = (_column(getattr(o, name) for o in optimizers) for name in ("base_rate", "decay"))
        self.decays = bool(self.decay.any())
        self.steps = float(optimizers[0].steps[0])
        self.kept = {
            name: torch.stack([as_row(o.kept.get(name) or list(map(torch.zeros_like, o.weights))) for o in optimizers])
            for name in names
        }

    @torch.no_grad()
    def step(self, weights: Tensor, gradients: Tensor, share: float) -> None:
        """Move (B, P) weights, in place, at this share of each model's base rate; the gradients are used up."""
        self.steps += 1
        rate = self.base_rate * share
        if self.decays:
            weights.mul_(1 - rate * self.decay)
        self.move(weights, gradients, rate)

    @abstractmethod
    def move(self, weights: Tensor, gradients: Tensor, rate: Tensor) -> None:
        """The rule itself; `rate` is (B, 1)."""

    def unload(self) -> None:
        """Give each optimiser its step count and its kept tensors."""
        for model, optimizer in enumerate(self.optimizers):
            for count in optimizer.steps:
                count.fill_(self.steps)
            for name, tensors in optimizer.kept.items():
                fill(tensors, self.kept[name][model])


class StackedSGD(StackedRule):
    """As `SGD`; a model of momentum 0 has v = g."""

    def __init__(self, optimizers: Sequence[SGD]) -> None:
        self.momentum = _column(optimizer.momentum for optimizer in optimizers)
        self.nesterov = optimizers[0].nesterov
        super().__init__(optimizers, ("velocity",) if self.momentum.any() else ())

    def move(self, weights: Tensor, gradients: Tensor, rate: Tensor) -> None:
        """v ← μ v + g; w ← w - η v, or w ← w - η (g + μ v)."""
        if "velocity" in self.kept:
            velocity = self.kept["velocity"].mul_(self.momentum).add_(gradients)
            gradients = gradients.addcmul_(velocity, self.momentum) if self.nesterov else velocity
        weights.addcmul_(gradients, rate, value=-1)


class StackedAdam(StackedRule):
    """As `Adam`."""

    def __init__(self, optimizers: Sequence[Adam]) -> None:
        self.betas = optimizers[0].betas
        super().__init__(optimizers, ("mean", "square"))

    def move(self, weights: Tensor, gradients: Tensor, rate: Tensor) -> None:
        """m ← β₁ m + (1 - β₁) g; v ← β₂ v + (1 - β₂) g²; w ← w - η m̂ / (√v̂ + ε)."""
        beta1, beta2 = self.betas
        mean = self.kept["mean"].lerp_(gradients, 1 - beta1)
        square = self.kept["square"].mul_(beta2).addcmul_(gradients, gradients, value=1 - beta2)
        # √v̂ + ε = (√v + ε c) / c with c = √(1 - β₂ᵗ)
        c = (1 - beta2**self.steps) ** 0.5
        roots = torch.sqrt(square, out=gradients).add_(KERAS_EPSILON * c)
        weights.sub_(torch.div(mean, roots, out=roots).mul_(rate * (c / (1 - beta1**self.steps))))


class StackedRMSprop(StackedRule):
    """As `RMSprop`; a model of momentum 0 moves by m = η g / √(v + ε)."""

    def __init__(self, optimizers: Sequence[RMSprop]) -> None:
        self.momentum = _column(optimizer.momentum for optimizer in optimizers)
        super().__init__(optimizers, ("square", "move") if self.momentum.any() else ("square",))

    def move(self, weights: Tensor, gradients: Tensor, rate: Tensor) -> None:
        """v ← ρ v + (1 - ρ) g²; m ← μ m + η g / √(v + ε); w ← w - m."""
        square = self.kept["square"].mul_(KERAS_RHO).addcmul_(gradients, gradients, value=1 - KERAS_RHO)
        move = gradients.div_(torch.add(square, KERAS_EPSILON).sqrt_()).mul_(rate)
        weights.sub_(self.kept["move"].mul_(self.momentum).add_(move) if "move" in self.kept else move)


def stack_rules(optimizers: Sequence[Optimizer]) -> StackedRule:
    """The rule of optimisers of one class.

    Raises:
        TrainingError: there is none for their class.
    """
    if sgd := [optimizer for optimizer in optimizers if isinstance(optimizer, SGD)]:
        return StackedSGD(sgd)
    if adam := [optimizer for optimizer in optimizers if isinstance(optimizer, Adam)]:
        return StackedAdam(adam)
    if rmsprop := [optimizer for optimizer in optimizers if isinstance(optimizer, RMSprop)]:
        return StackedRMSprop(rmsprop)
    raise TrainingError(f"optimisers can be stacked where all are SGD, Adam or RMSprop, got {type(optimizers[0])}")


def _column(values: Iterable[float]) -> Tensor:
    """(B, 1) float32."""
    return torch.tensor(list(values))[:, None]
