"""One step of B models, from a batch to moved weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from eyas.train.augment import Augmented
from eyas.train.optim.schedule import rate_share
from eyas.train.precision import autocast
from eyas.train.step import Learner
from eyas.train.together.losses import StackedLoss
from eyas.train.together.rules import stack_rules
from eyas.train.together.stack import Stack


class StackedLearner:
    """What `Learner` is for one model; the models' own learners stand still until `unload`.

    Args:
        learners: B, whose configurations `can_train_together` has let pass.
        generators: B, for the masks of dropout.
    """

    def __init__(self, learners: Sequence[Learner], generators: Sequence[torch.Generator]) -> None:
        self.optimizers = [learner.optimizer for learner in learners]
        self.config, self.precision = learners[0].config, learners[0].precision
        self.stack = Stack([learner.network for learner in learners], generators)
        self.rule = stack_rules(self.optimizers)
        self.loss = StackedLoss([learner.loss for learner in learners])

    def step(self, batch: Augmented, progress: float) -> Tensor:
        """Move the weights by one batch.

        Args:
            batch: one for all models, or one for each, stacked: (B, n, …).
            progress: share of the whole run that is over, in (0, 1).

        Returns:
            (B, 3) float64: summed loss, right answers, images.
        """
        share = rate_share(self.config, progress)
        for optimizer in self.optimizers:
            optimizer.schedule(share)
        with autocast(batch.images.device, self.precision):
            logits = self.stack(batch.images)
        losses = self.loss(logits.float(), batch) + self.stack.penalty()
        gradients = self.stack.gradients(losses)
        if self.config.clip_norm:
            _clip(gradients, self.config.clip_norm)
        self.rule.step(self.stack.weights, gradients, share)
        return _sums(losses.detach(), logits, batch.labels)

    def unload(self) -> None:
        """Bring the models' own networks and optimisers up to date."""
        self.stack.unload()
        self.rule.unload()


def _clip(gradients: Tensor, longest: float) -> None:
    """As `torch.nn.utils.clip_grad_norm_`, row by row."""
    norms = gradients.norm(dim=1, keepdim=True)
    gradients.mul_((longest / (norms + 1e-6)).clamp_(max=1))


def _sums(losses: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    images = logits.shape[1]
    right = (logits.argmax(2) == labels).sum(1).double()
    return torch.stack((losses.double() * images, right, torch.full_like(right, images)), dim=1)
