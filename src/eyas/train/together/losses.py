"""`train.loss` for B models: each with a smoothing of its own."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

from eyas.train.augment import Augmented
from eyas.train.loss import Loss


class StackedLoss:
    """The (B,) mean losses of a batch, without the networks' own penalties.

    Args:
        losses: B, which differ in their smoothing alone; none has a teacher.
    """

    def __init__(self, losses: list[Loss]) -> None:
        self.smoothing = torch.tensor([[loss.smoothing] for loss in losses])
        self.smooths = any(loss.smoothing for loss in losses)
        self.class_weight = losses[0].class_weight

    def __call__(self, logits: Tensor, batch: Augmented) -> Tensor:
        """(B,) means.

        Args:
            logits: (B, n, K) float32.
            batch: its labels are (n,) for all models, or (B, n); likewise the rest.
        """
        losses = self._labels(logits, batch.labels)
        if batch.partners is not None and batch.share is not None:
            losses = batch.share * losses + (1 - batch.share) * self._labels(logits, batch.partners)
        return losses.mean(1)

    def _labels(self, logits: Tensor, labels: Tensor) -> Tensor:
        """(B, n): (1 - ε) CE(label) + ε times the mean of CE(k) over all classes k."""
        labels = labels.expand(logits.shape[:2])
        losses = cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)
        if self.smooths:
            losses = torch.lerp(losses, -log_softmax(logits, dim=2).mean(2), self.smoothing)
        return losses if self.class_weight is None else losses * self.class_weight[labels]
