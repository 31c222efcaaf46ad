"""Adam, SGD and RMSprop as Keras has them, one fused kernel a step where torch has it.

The classes of `torch.optim` import torch's compiler when the first is made (over a second, a third of a short fit) and
add a tenth of a millisecond of bookkeeping to each step. The kernels behind them are functions; they are used here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

# https://keras.io/api/optimizers
KERAS_EPSILON = 1e-7
KERAS_BETAS = (0.9, 0.999)
KERAS_RHO = 0.9


class Optimizer(ABC):
    """Moves weights by their gradients, in place."""

    base_rate: float
    """Before any schedule."""
    rate: float
    """In force."""

    def schedule(self, share: float) -> None:
        """Put this share of the base rate in force."""
        self.rate = self.base_rate * share

    @abstractmethod
    def step(self) -> None:
        """Move every weight that has a gradient."""

    @abstractmethod
    def zero_grad(self) -> None:
        """Forget the gradients."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""


class Rule(Optimizer):
    """One rule for a list of weights.

    Args:
        weights: those that do not require a gradient are left out.
        rate: the learning rate before any schedule.
        kept: names of the tensors that live from step to step, one of each for every weight, zero at first.
        decay: λ of the decoupled decay w ← w - η λ w that comes before the rule (Loshchilov & Hutter 2019).
    """

    def __init__(self, weights: Iterable[nn.Parameter], rate: float, kept: Sequence[str], decay: float = 0.0) -> None:
        self.weights = [weight for weight in weights if weight.requires_grad]
        self.base_rate = self.rate = rate
        self.decay = decay
        self.steps = [torch.zeros((), device=weight.device) for weight in self.weights]
        self.kept = {name: [torch.zeros_like(weight) for weight in self.weights] for name in kept}

    @torch.no_grad()
    def step(self) -> None:
        """Move every weight that has a gradient."""
        used = [index for index, weight in enumerate(self.weights) if weight.grad is not None]
        weights: list[Tensor] = [self.weights[index] for index in used]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        kept = {name: [tensors[index] for index in used] for name, tensors in self.kept.items()}
        if not weights:
            return
        if self.decay:
            torch._foreach_mul_(weights, 1 - self.rate * self.decay)
        self.move(weights, gradients, [self.steps[index] for index in used], **kept)

    @abstractmethod
    def move(self, weights: list[Tensor], gradients: list[Tensor], steps: list[Tensor], **kept: list[Tensor]) -> None:
        """The rule itself, over lists of equal length."""

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for weight in self.weights:
            weight.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Rates, step counts and kept tensors."""
        return {"base_rate": self.base_rate, "rate": self.rate, "steps": self.steps, "kept": self.kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self.base_rate, self.rate = state["base_rate"], state["rate"]
        for mine, saved in zip(self.steps, state["steps"], strict=True):
            mine.copy_(saved)
        for name, tensors in self.kept.items():
            for mine, saved in zip(tensors, state["kept"][name], strict=True):
                mine.copy_(saved)


class CombinedOptimizer(Optimizer):
    """Several rules, each for weights of its own; their rates keep their proportion.

    Args:
        rules: the first one's rate is the whole's.
    """

    def __init__(self, rules: Sequence[Optimizer]) -> None:
        self.rules = list(rules)
        self.base_rate = self.rate = rules[0].base_rate
        self._proportions = [rule.base_rate / self.base_rate for rule in rules]

    def step(self) -> None:
        """Each rule moves its weights."""
        for rule, proportion in zip(self.rules, self._proportions, strict=True):
            rule.rate = self.rate * proportion
            rule.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for rule in self.rules:
            rule.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """The rates, and what each rule keeps."""
        rules = [rule.state_dict() for rule in self.rules]
        return {"base_rate": self.base_rate, "rate": self.rate, "rules": rules}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self.base_rate, self.rate = state["base_rate"], state["rate"]
        for rule, saved in zip(self.rules, state["rules"], strict=True):
            rule.load_state_dict(saved)


class Adam(Rule):
    """Kingma & Ba 2015, algorithm 1."""

    def __init__(
        self,
        weights: Iterable[nn.Parameter],
        rate: float,
        decay: float = 0.0,
        betas: tuple[float, float] = KERAS_BETAS,
    ) -> None:
        super().__init__(weights, rate, ("mean", "square"), decay)
        self.betas = betas

    def move(self, weights: list[Tensor], gradients: list[Tensor], steps: list[Tensor], **kept: list[Tensor]) -> None:
        """One kernel for all weights."""
        adam(
            weights,
            gradients,
            kept["mean"],
            kept["square"],
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=self.rate,
            weight_decay=0.0,
            eps=KERAS_EPSILON,
            maximize=False,
        )


class SGD(Rule):
    """v ← μ v + g; w ← w - η v, or by Nesterov w ← w - η (g + μ v) (Sutskever et al. 2013)."""

    def __init__(
        self,
        weights: Iterable[nn.Parameter],
        rate: float,
        momentum: float = 0.0,
        decay: float = 0.0,
        *,
        nesterov: bool = False,
    ) -> None:
        super().__init__(weights, rate, ("velocity",) if momentum else (), decay)
        self.momentum, self.nesterov = momentum, nesterov

    def move(self, weights: list[Tensor], gradients: list[Tensor], steps: list[Tensor], **kept: list[Tensor]) -> None:
        """One kernel for all weights."""
        velocities: list[Tensor | None] = [*kept["velocity"]] if self.momentum else [None] * len(weights)
        sgd(
            weights,
            gradients,
            velocities,
            fused=True,
            weight_decay=0.0,
            momentum=self.momentum,
            lr=self.rate,
            dampening=0.0,
            nesterov=self.nesterov,
            maximize=False,
        )


class RMSprop(Rule):
    """Keras's RMSprop: v ← ρ v + (1 - ρ) g²; m ← μ m + η g / √(v + ε); w ← w - m.

    torch's own puts ε outside the root, which makes the first steps of small gradients much larger: inside, ε = 1e-7
    is a floor of 3e-4 under the root.

    Source: Hinton's lecture 6e (2012), as in `keras.optimizers.RMSprop`.
    """

    def __init__(self, weights: Iterable[nn.Parameter], rate: float, momentum: float = 0.0, decay: float = 0.0) -> None:
        super().__init__(weights, rate, ("square", "move") if momentum else ("square",), decay)
        self.momentum = momentum

    def move(self, weights: list[Tensor], gradients: list[Tensor], steps: list[Tensor], **kept: list[Tensor]) -> None:
        """A few kernels, each over all weights."""
        torch._foreach_mul_(kept["square"], KERAS_RHO)
        torch._foreach_addcmul_(kept["square"], gradients, gradients, 1 - KERAS_RHO)
        roots = torch._foreach_add(kept["square"], KERAS_EPSILON)
        torch._foreach_sqrt_(roots)
        if self.momentum:
            torch._foreach_mul_(kept["move"], self.momentum)
            torch._foreach_addcdiv_(kept["move"], gradients, roots, self.rate)
            torch._foreach_sub_(weights, kept["move"])
        else:
            torch._foreach_addcdiv_(weights, gradients, roots, -self.rate)
