"""Optimisers by name, with Keras's defaults."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from eyas.core.schema import TrainConfig

# https://keras.io/api/optimizers
KERAS_EPSILON = 1e-7
KERAS_RHO = 0.9
KERAS_ADAMW_DECAY = 0.004
DEFAULT_LEARNING_RATE = {"sgd": 0.01, "adam": 0.001, "adamw": 0.001, "rmsprop": 0.001}


def make_optimizer(config: TrainConfig, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """The optimiser that `train.optimizer` names, fused into one kernel a step where torch can.

    Each parameter group keeps its unscheduled rate as `initial_lr`, the name that torch's own schedulers use.
    """
    optimizer = _make(config, parameters)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def _make(config: TrainConfig, parameters: Iterable[nn.Parameter]) -> Optimizer:
    rate = config.learning_rate or DEFAULT_LEARNING_RATE[config.optimizer]
    match config.optimizer:
        case "adam":
            return Adam(parameters, rate, eps=KERAS_EPSILON, fused=True)
        case "adamw":
            decay = KERAS_ADAMW_DECAY if config.weight_decay is None else config.weight_decay
            return AdamW(parameters, rate, eps=KERAS_EPSILON, weight_decay=decay, fused=True)
        case "sgd":
            return SGD(parameters, rate, momentum=config.momentum, nesterov=config.nesterov, fused=True)
        case "rmsprop":
            return RMSprop(parameters, rate, config.momentum)


class RMSprop(Optimizer):
    """Keras's RMSprop: v ← ρ v + (1 - ρ) g²; m ← μ m + η g / √(v + ε); w ← w - m.

    torch's own puts ε outside the root, which makes the first steps of small gradients much larger: inside, ε = 1e-7
    is a floor of 3e-4 under the root.

    Source: Hinton's lecture 6e (2012), as in `keras.optimizers.RMSprop`.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], rate: float, momentum: float = 0.0) -> None:
        super().__init__(parameters, {"lr": rate, "rho": KERAS_RHO, "eps": KERAS_EPSILON, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            if not weights:
                continue
            gradients = [p.grad for p in weights]
            squares = [self._kept(p, "square") for p in weights]
            torch._foreach_mul_(squares, group["rho"])
            torch._foreach_addcmul_(squares, gradients, gradients, 1 - group["rho"])
            roots = torch._foreach_add(squares, group["eps"])
            torch._foreach_sqrt_(roots)
            if not group["momentum"]:
                torch._foreach_addcdiv_(weights, gradients, roots, -group["lr"])
                continue
            moves = [self._kept(p, "move") for p in weights]
            torch._foreach_mul_(moves, group["momentum"])
            torch._foreach_addcdiv_(moves, gradients, roots, group["lr"])
            torch._foreach_sub_(weights, moves)

    def _kept(self, parameter: nn.Parameter, name: str) -> torch.Tensor:
        """A tensor of the parameter's shape that lives from step to step, zero at first."""
        state = self.state[parameter]
        if name not in state:
            state[name] = torch.zeros_like(parameter)
        kept: torch.Tensor = state[name]
        return kept


def learning_rate(optimizer: Optimizer) -> float:
    """The rate in force."""
    return float(optimizer.param_groups[0]["lr"])


def base_rate(optimizer: Optimizer) -> float:
    """The rate before the schedule."""
    return float(optimizer.param_groups[0]["initial_lr"])


def set_base_rate(optimizer: Optimizer, rate: float) -> None:
    """Change the rate before the schedule, in every group."""
    for group in optimizer.param_groups:
        group["initial_lr"] = rate


def schedule_rate(optimizer: Optimizer, share: float) -> None:
    """Put this share of each group's own rate in force."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * share
