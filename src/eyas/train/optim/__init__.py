"""What moves the weights: rules, schedules, sharpness-aware steps and the moving average."""

from eyas.train.optim.choosing import DEFAULT_LEARNING_RATE, make_optimizer
from eyas.train.optim.optimizers import Optimizer

__all__ = ["DEFAULT_LEARNING_RATE", "Optimizer", "make_optimizer"]
