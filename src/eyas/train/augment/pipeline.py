"""A batch of training images, varied as the configuration says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from eyas.core.schema import AugmentConfig
from eyas.train.augment.boxes import cutout
from eyas.train.augment.draws import batch_generator, draw_pixels, fair_coin, send
from eyas.train.augment.mixing import cutmix, draw_partners, mixup
from eyas.train.augment.placing import place
from eyas.train.augment.policies import color_jitter, draw_policy, run_operations


@dataclass(frozen=True)
class Augmented:
    """A batch as the network sees it. The loss is share · loss(labels) + (1 - share) · loss(partners)."""

    images: Tensor
    """(n, H, W, C) uint8."""
    labels: Tensor
    """(n,) int64."""
    partners: Tensor | None = None
    """(n,) int64, the labels of the images mixed in; None where nothing is mixed."""
    share: Tensor | None = None
    """(n,) float32 on [0, 1], the weight of `labels`; None with `partners`."""


class Augment:
    """Varies batches; what becomes of one depends on seed, epoch, step and rank alone.

    On CUDA the draws are a few numbers for each image, made on the CPU and copied without waiting.

    Args:
        config: what to do, already seen by `check_augment`.
        shape: (H, W, C) of the images.
        seed: not negative.
        epochs: of the whole run, for `strong_until`; None leaves that key aside.
    """

    def __init__(self, config: AugmentConfig, shape: tuple[int, int, int], seed: int, *, epochs: int | None) -> None:
        self._config = config
        self._shape = shape
        self._seed = seed
        self._epochs = epochs

    @property
    def is_identity(self) -> bool:
        """Whether batches come back as they are, the same tensors."""
        c = self._config
        drawn = (c.color_jitter, c.crop, c.cutout, c.mixup, c.cutmix)
        return c.flip == "none" and c.policy == "none" and not any(drawn)

    def __call__(
        self, images: Tensor, labels: Tensor, rows: NDArray[np.int64], epoch: int, step: int, rank: int = 0
    ) -> Augmented:
        """One batch, varied in the order of the configuration's keys, but the flip beside the crop.

        The flip can wait because it commutes with what changes colours, and turns a shift or a slope into its
        opposite, which is drawn as often.

        Args:
            images: (n, H, W, C) uint8, on any device; never written to.
            labels: (n,) int64, on the same.
            rows: (n,) the images' positions in the dataset.
            epoch: from 0.
            step: of the epoch, from 0.
            rank: of the process, where several train together.
        """
        if self.is_identity:
            return Augmented(images, labels)
        over = 0.0 if self._epochs is None else epoch / self._epochs
        c = self._config if over < self._config.strong_until else self._config.mild
        rng = batch_generator(self._seed, epoch, step, rank)
        images = images.contiguous()
        if c.policy != "none":
            for operations, strengths in zip(*draw_policy(c, self._shape, len(rows), rng), strict=True):
                images = run_operations(images, operations, strengths)
        if c.color_jitter:
            images = color_jitter(images, c.color_jitter, rng)
        if c.flip != "none" or c.crop:
            offsets = rng.integers(0, 2 * c.crop, (2, len(rows)), endpoint=True)
            images = place(images, self._flips(rows, epoch, rng), offsets, c.crop)
        if c.cutout:
            images = cutout(images, draw_pixels(rng, len(rows), *self._shape[:2]), c.cutout)
        return self._mix(images, labels, rng) if c.mixup or c.cutmix else Augmented(images, labels)

    def _flips(self, rows: NDArray[np.int64], epoch: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """(n,) which images to flip.

        Source of `alternating`: Jordan 2024, "94 % on CIFAR-10 in 3.29 seconds", arXiv 2404.00498, §3.6.
        """
        if self._config.flip == "alternating":
            return fair_coin(rows, self._seed) ^ bool(epoch % 2)
        if self._config.flip == "random":
            return rng.random(len(rows)) < 0.5
        return np.zeros(len(rows), np.bool_)

    def _mix(self, images: Tensor, labels: Tensor, rng: np.random.Generator) -> Augmented:
        """MixUp or CutMix; where both are on, each batch takes one of them with chance 1/2."""
        from_both = self._config.mixup and self._config.cutmix
        blend = rng.random() < 0.5 if from_both else bool(self._config.mixup)
        (partners,) = send(images.device, draw_partners(rng, len(images)))
        mix, alpha = (mixup, self._config.mixup) if blend else (cutmix, self._config.cutmix)
        mixed, share = mix(images, images.index_select(0, partners), alpha, rng)
        return Augmented(mixed, labels, labels.index_select(0, partners), share)
