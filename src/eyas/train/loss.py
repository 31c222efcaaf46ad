"""What training lowers: cross entropy of plain, smoothed, mixed or weighted labels, and the teacher's opinion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from eyas.core.schema import TrainConfig
from eyas.data import Dataset
from eyas.train.augment import Augmented


@dataclass(frozen=True)
class Loss:
    """The loss of a batch, without the network's own penalty.

    share · CE(labels) + (1 - share) · CE(partners), each weighted by its class and smoothed; with a teacher
    (1 - w) of that and w T² KL(softmax(teacher / T) ‖ softmax(logits / T)).

    Sources: Szegedy et al. 2016, §7 (smoothing); Zhang et al. 2018 (mixing); Hinton et al. 2015, §2 (the teacher).
    """

    smoothing: float
    class_weight: Tensor | None
    """(K,) float32."""
    temperature: float
    teacher_weight: float

    @classmethod
    def of(cls, config: TrainConfig, dataset: Dataset, device: torch.device) -> Self:
        """From the configuration."""
        return cls(
            smoothing=config.label_smoothing,
            class_weight=class_weights(config, dataset, device),
            temperature=config.distillation.temperature,
            teacher_weight=config.distillation.weight if config.teacher else 0.0,
        )

    def __call__(self, logits: Tensor, batch: Augmented, teacher: Tensor | None = None) -> Tensor:
        """The mean over the batch.

        Args:
            logits: (n, K) float32.
            teacher: its (n, K) logits for the same images.
        """
        losses = self._labels(logits, batch.labels)
        if batch.partners is not None and batch.share is not None:
            losses = batch.share * losses + (1 - batch.share) * self._labels(logits, batch.partners)
        loss = losses.mean()
        if teacher is None:
            return loss
        soft, told = (log_softmax(x / self.temperature, dim=1) for x in (logits, teacher))
        divergence = kl_div(soft, told, reduction="batchmean", log_target=True) * self.temperature**2
        return (1 - self.teacher_weight) * loss + self.teacher_weight * divergence

    def _labels(self, logits: Tensor, labels: Tensor) -> Tensor:
        losses = cross_entropy(logits, labels, reduction="none", label_smoothing=self.smoothing)
        return losses if self.class_weight is None else losses * self.class_weight[labels]


def class_weights(config: TrainConfig, dataset: Dataset, device: torch.device) -> Tensor | None:
    """(K,) weights, or None: N / (K · N_k) where balanced, else as given by class name, 1 for the others."""
    rule, classes = config.class_weight, dataset.classes
    if rule == "none":
        return None
    if rule == "balanced":
        counts = np.bincount(dataset.train.labels, minlength=len(classes))
        weights = len(dataset.train) / (len(classes) * np.maximum(counts, 1))
    else:
        weights = np.array([rule.get(name, 1.0) for name in classes])
    return torch.tensor(weights, dtype=torch.float32, device=device)
