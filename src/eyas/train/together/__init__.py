"""Models that differ only in numbers such as the learning rate, trained as one program."""

from eyas.train.together.eligibility import can_train_together
from eyas.train.together.probe import together_pays
from eyas.train.together.training import Outcome, resume_together, train_together

__all__ = ["Outcome", "can_train_together", "resume_together", "together_pays", "train_together"]
