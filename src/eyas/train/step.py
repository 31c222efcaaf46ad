"""One step of training, from a batch to moved weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from eyas.core.schema import TrainConfig
from eyas.nn import Network
from eyas.train.augment import Augmented
from eyas.train.average import Average
from eyas.train.loss import Loss
from eyas.train.optimisers import Optimizer
from eyas.train.precision import Precision, autocast
from eyas.train.schedule import rate_share
from eyas.train.sharpness import uphill
from eyas.train.sizes import resized, side_at
from eyas.train.teacher import Teacher
from eyas.train.workers import Workers


@dataclass
class Learner:
    """A network and everything that moves its weights."""

    network: Network
    forward: Callable[[Tensor], Tensor]
    """The network, perhaps compiled, perhaps shared with other processes."""
    average: Average | None
    optimizer: Optimizer
    loss: Loss
    teacher: Teacher | None
    config: TrainConfig
    precision: Precision
    workers: Workers

    @property
    def answering(self) -> Network:
        """What is validated and kept: the average where there is one, else the network itself."""
        return self.average.network if self.average else self.network

    def step(self, batch: Augmented, size: int, progress: float) -> Tensor:
        """Move the weights by one batch.

        Args:
            batch: this process's part of it.
            size: images of the batch over all processes.
            progress: share of the whole run that is over, in (0, 1).

        Returns:
            (3,) float64 on the device: summed loss, right answers, images, of this process's part.
        """
        self.optimizer.schedule(rate_share(self.config, progress))
        told = self.teacher(batch.images) if self.teacher else None
        if self.config.image_sizes:
            batch = replace(batch, images=resized(batch.images, side_at(self.config.image_sizes, progress)))
        sums = self._gradients(batch, told, size)
        if self.config.sam:
            with uphill(self.network, self.config.sam):
                self._gradients(batch, told, size)
        if self.config.clip_norm:
            clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average:
            self.average.update()
        return sums

    def _gradients(self, batch: Augmented, told: Tensor | None, size: int) -> Tensor:
        """Add the mean loss's gradients to the weights', part by part."""
        device = batch.images.device
        sums = torch.zeros(3, dtype=torch.float64, device=device)
        for part, opinion in parts(batch, told, self.config.accumulate):
            with autocast(device, self.precision):
                logits = self.forward(part.images)
            loss = self.loss(logits.float(), part, opinion) + self.network.penalty()
            count = len(part.labels)
            # Each process's gradient is divided by their number when they are averaged.
            torch.autograd.backward(loss * (count * self.workers.count / size))
            with torch.no_grad():
                right = (logits.argmax(1) == part.labels).sum()
                sums += torch.stack((loss.double() * count, right.double(), torch.full_like(right, count).double()))
        return sums


def parts(batch: Augmented, told: Tensor | None, count: int) -> Iterator[tuple[Augmented, Tensor | None]]:
    """The batch, and the teacher's logits, in `count` parts of at least 2 images: batch norm needs two."""
    images = len(batch.labels)
    count = max(1, min(count, images // 2))
    if count == 1:
        yield batch, told
        return
    edges = [images * k // count for k in range(count + 1)]
    for start, end in pairwise(edges):
        cut = slice(start, end)
        share = batch.share[cut] if isinstance(batch.share, Tensor) and batch.share.ndim else batch.share
        partners = None if batch.partners is None else batch.partners[cut]
        part = Augmented(batch.images[cut], batch.labels[cut], partners, share)
        yield part, None if told is None else told[cut]
