"""The optimiser that the configuration names."""

from __future__ import annotations

import torch
from torch import nn

from eyas.core.schema import TrainConfig
from eyas.nn import PretrainedNetwork
from eyas.train.optim.muon import Muon
from eyas.train.optim.optimizers import SGD, Adam, CombinedOptimizer, Optimizer, RMSprop
from eyas.train.precision import Precision

# https://keras.io/api/optimizers; Muon's by trial on CIFAR-100 (docs/decisions/0010).
DEFAULT_LEARNING_RATE = {"sgd": 0.01, "adam": 0.001, "adamw": 0.001, "rmsprop": 0.001, "muon": 0.16}
KERAS_ADAMW_DECAY = 0.004
# Short runs: the usual 0.999 would average over a third of one.
MUON_BETAS = (0.9, 0.99)


def make_optimizer(config: TrainConfig, network: nn.Module, precision: Precision = "fp32") -> Optimizer:
    """The optimiser that `train.optimizer` names, over all trainable weights; muon needs a convolution among them.

    Layers whose share of the learning rate is another have a rule of their own.
    """
    rate = config.learning_rate or DEFAULT_LEARNING_RATE[config.optimizer]
    if config.optimizer == "muon":
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        return _muon(config, network, rate, config.weight_decay or 0.0, dtype)
    groups = network.rate_groups() if isinstance(network, PretrainedNetwork) else [(1.0, list(network.parameters()))]
    rules = [_rule(config, weights, rate * share) for share, weights in groups]
    return rules[0] if len(rules) == 1 else CombinedOptimizer(rules)


def _rule(config: TrainConfig, weights: list[nn.Parameter], rate: float) -> Optimizer:
    decay = config.weight_decay or 0.0
    match config.optimizer:
        case "adamw":
            return Adam(weights, rate, KERAS_ADAMW_DECAY if config.weight_decay is None else decay)
        case "sgd":
            return SGD(weights, rate, config.momentum, decay, nesterov=config.nesterov)
        case "rmsprop":
            return RMSprop(weights, rate, config.momentum, decay)
        case _:
            return Adam(weights, rate, decay)


def _muon(config: TrainConfig, network: nn.Module, rate: float, decay: float, dtype: torch.dtype) -> Optimizer:
    """Muon for the kernels of convolutions, AdamW of two rates for dense layers and for shifts and scales."""
    rules = config.muon
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    dense = {id(layer.weight) for layer in network.modules() if isinstance(layer, nn.Linear)}
    kernels = [weight for weight in weights if weight.ndim == 4]
    heads = [weight for weight in weights if id(weight) in dense]
    rest = [weight for weight in weights if weight.ndim != 4 and id(weight) not in dense]
    parts: list[Optimizer] = [Muon(kernels, rate, rules.momentum, rules.iterations, dtype)]
    if heads:
        parts.append(Adam(heads, rules.head_learning_rate, decay, MUON_BETAS))
    if rest:
        parts.append(Adam(rest, rules.rest_learning_rate, betas=MUON_BETAS))
    return CombinedOptimizer(parts)
