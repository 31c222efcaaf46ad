"""The optimiser that the configuration names."""

from __future__ import annotations

from torch import nn

from eyas.core.schema import TrainConfig
from eyas.train.muon import Muon
from eyas.train.optimisers import SGD, Adam, Optimizer, RMSprop, Together

# https://keras.io/api/optimizers; Muon's from Keller Jordan's airbench94_muon.
DEFAULT_LEARNING_RATE = {"sgd": 0.01, "adam": 0.001, "adamw": 0.001, "rmsprop": 0.001, "muon": 0.24}
KERAS_ADAMW_DECAY = 0.004


def make_optimizer(config: TrainConfig, network: nn.Module) -> Optimizer:
    """The optimiser that `train.optimizer` names, over all trainable weights; muon needs a convolution among them."""
    weights = list(network.parameters())
    rate = config.learning_rate or DEFAULT_LEARNING_RATE[config.optimizer]
    decay = config.weight_decay or 0.0
    match config.optimizer:
        case "adam":
            return Adam(weights, rate, decay)
        case "adamw":
            return Adam(weights, rate, KERAS_ADAMW_DECAY if config.weight_decay is None else decay)
        case "sgd":
            return SGD(weights, rate, config.momentum, decay, nesterov=config.nesterov)
        case "rmsprop":
            return RMSprop(weights, rate, config.momentum, decay)
        case "muon":
            return _muon(config, network, rate, decay)


def _muon(config: TrainConfig, network: nn.Module, rate: float, decay: float) -> Optimizer:
    """Muon for the kernels of convolutions, SGD of two rates for dense layers and for shifts and scales."""
    rules = config.muon
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    dense = {id(layer.weight) for layer in network.modules() if isinstance(layer, nn.Linear)}
    kernels = [weight for weight in weights if weight.ndim == 4]
    heads = [weight for weight in weights if id(weight) in dense]
    rest = [weight for weight in weights if weight.ndim != 4 and id(weight) not in dense]
    parts: list[Optimizer] = [Muon(kernels, rate, rules.momentum, rules.iterations)]
    parts += [
        SGD(some, of, rules.rest_momentum, decay, nesterov=True)
        for some, of in ((heads, rules.head_learning_rate), (rest, rules.rest_learning_rate))
        if some
    ]
    return Together(parts)
