"""Optimisers by name, with Keras's defaults."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from eyas.core.schema import TrainConfig

# https://keras.io/api/optimizers
KERAS_EPSILON = 1e-7
KERAS_RHO = 0.9
KERAS_ADAMW_DECAY = 0.004
DEFAULT_LEARNING_RATE = {"sgd": 0.01, "adam": 0.001, "adamw": 0.001, "rmsprop": 0.001}


def make_optimizer(config: TrainConfig, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """The optimiser that `train.optimizer` names, fused into one kernel a step where torch can.

    Keras adds epsilon to RMSprop's root where torch adds it after the root; both are 1e-7 and below what
    float32 shows for gradients of ordinary size.
    """
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
            return RMSprop(parameters, rate, alpha=KERAS_RHO, eps=KERAS_EPSILON, momentum=config.momentum)


def learning_rate(optimizer: Optimizer) -> float:
    """The rate in force."""
    return float(optimizer.param_groups[0]["lr"])


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Change the rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
