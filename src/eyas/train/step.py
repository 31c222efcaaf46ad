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
from eyas.train.loss import Loss
from eyas.train.optim.ema import MovingAverage
from eyas.train.optim.optimizers import Optimizer
from eyas.train.optim.sam import perturbed
from eyas.train.optim.schedule import rate_share
from eyas.train.precision import Precision, autocast
from eyas.train.resizing import resized, side_at
from eyas.train.teacher import Teacher
from eyas.train.workers import Workers


@dataclass
class Learner:
    """A network and everything that moves its weights."""

    network: Network
    forward: Callable[[Tensor], Tensor]
    """The network, perhaps compiled, perhaps shared with other processes."""
    average: MovingAverage | None
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

    @property
    def on_gpu(self) -> bool:
        """Whether the weights are."""
        return next(self.network.parameters()).is_cuda

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
        teacher = self.teacher(batch.images) if self.teacher else None
        if self.config.image_sizes:
            batch = replace(batch, images=resized(batch.images, side_at(self.config.image_sizes, progress)))
        sums = self._gradients(batch, teacher, size)
        if self.config.sam:
            with perturbed(self.network, self.config.sam):
                self._gradients(batch, teacher, size)
        if self.config.clip_norm:
            clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average:
            self.average.update()
        return sums

    def _gradients(self, batch: Augmented, teacher: Tensor | None, size: int) -> Tensor:
        """Add the mean loss's gradients to the weights', part by part."""
        device = batch.images.device
        sums = torch.zeros(3, dtype=torch.float64, device=device)
        count = part_count(size // self.workers.count, self.config.accumulate)
        for part, told in parts(batch, teacher, count):
            with autocast(device, self.precision):
                logits = self.forward(part.images)
            loss = self.loss(logits.float(), part, told)
            if isinstance(penalty := self.network.penalty(), Tensor):  # else it is 0
                loss = loss + penalty
            images = len(part.labels)
            # Each process's gradient is divided by their number when they are averaged.
            share = images * self.workers.count / size
            torch.autograd.backward(loss if share == 1 else loss * share)
            with torch.no_grad():
                right = (logits.argmax(1) == part.labels).sum()
                sums[0] += loss.double() * images
                sums[1] += right
                sums[2] += images
        return sums


def part_count(images: int, accumulate: int) -> int:
    """Parts of a batch of which every process has at least `images`: 2 images in each part, as batch norm needs two.

    It is the same in every process, for each part is a meeting of them all.
    """
    return max(1, min(accumulate, images // 2))


def parts(batch: Augmented, teacher: Tensor | None, count: int) -> Iterator[tuple[Augmented, Tensor | None]]:
    """The batch, and the teacher's logits, in `count` parts whose lengths differ by 1 at most."""
    if count == 1:
        yield batch, teacher
        return
    images = len(batch.labels)
    edges = [images * k // count for k in range(count + 1)]
    for start, end in pairwise(edges):
        cut = slice(start, end)
        share = batch.share[cut] if isinstance(batch.share, Tensor) and batch.share.ndim else batch.share
        partners = None if batch.partners is None else batch.partners[cut]
        part = Augmented(batch.images[cut], batch.labels[cut], partners, share)
        yield part, None if teacher is None else teacher[cut]
