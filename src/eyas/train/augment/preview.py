"""Some training images as the network will see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eyas.core.schema import AugmentConfig
from eyas.data import Dataset, Split
from eyas.train.augment.pipeline import Augment
from eyas.train.augment.rules import check_augment

IMAGES, EPOCHS, BATCH = 8, 7, 128


@dataclass(frozen=True)
class Preview:
    """r images and what e epochs make of them."""

    classes: tuple[str, ...]
    rows: NDArray[np.int64]
    """(r,) positions in the training split."""
    originals: NDArray[np.uint8]
    """(r, H, W, C) uint8."""
    labels: NDArray[np.int64]
    """(r,)."""
    variants: NDArray[np.uint8]
    """(r, e, H, W, C) uint8."""
    partners: NDArray[np.int64]
    """(r, e) the second label; the first again where nothing is mixed."""
    shares: NDArray[np.float64]
    """(r, e) on [0, 1], the weight of the first label; 1 where nothing is mixed."""

    @property
    def names(self) -> list[str]:
        """r class names."""
        return [self.classes[label] for label in self.labels]

    @property
    def mixtures(self) -> list[list[list[tuple[str, float]]]]:
        """r by e lists of classes with their weights, the image's own class first."""
        rows, epochs = self.shares.shape
        return [[self._mixture(row, epoch) for epoch in range(epochs)] for row in range(rows)]

    def to_json(self) -> list[dict[str, Any]]:
        """For each image its row, its class, and each variant's classes with their weights."""
        described = zip(self.rows.tolist(), self.names, self.mixtures, strict=True)
        return [
            {"row": row, "class": name, "variants": [dict(mixture) for mixture in variants]}
            for row, name, variants in described
        ]

    def _mixture(self, row: int, epoch: int) -> list[tuple[str, float]]:
        own, other = int(self.labels[row]), int(self.partners[row, epoch])
        share = float(self.shares[row, epoch])
        if own == other or share == 1:
            return [(self.classes[own], 1.0)]
        return [(self.classes[own], share), (self.classes[other], 1 - share)]


def make_preview(config: AugmentConfig, dataset: Dataset, seed: int) -> Preview:
    """What seven epochs make of a batch, of which eight images are shown, of as many classes as there are.

    Raises:
        ConfigError: what `check_augment` refuses.
    """
    check_augment(config, dataset.policy.shape)
    rows = _choose(dataset.train, seed)
    images, labels = dataset.train.take(rows), dataset.train.labels[rows]
    augment = Augment(config, dataset.policy.shape, seed, epochs=None)
    batches = [augment(torch.from_numpy(images), torch.tensor(labels), rows, epoch, 0) for epoch in range(EPOCHS)]
    shown = slice(IMAGES)
    ones = torch.ones(len(rows))
    return Preview(
        classes=dataset.classes,
        rows=rows[shown],
        originals=images[shown],
        labels=labels[shown],
        variants=np.stack([batch.images.numpy()[shown] for batch in batches], 1),
        partners=np.stack([_or(batch.partners, batch.labels).numpy()[shown] for batch in batches], 1),
        shares=np.stack([_or(batch.share, ones).double().numpy()[shown] for batch in batches], 1),
    )


def _or(value: torch.Tensor | None, otherwise: torch.Tensor) -> torch.Tensor:
    return otherwise if value is None else value


def _choose(split: Split, seed: int) -> NDArray[np.int64]:
    """Up to `BATCH` rows at random, those first that are the first of their class."""
    order = np.random.default_rng([seed, len(split)]).permutation(len(split))
    _, first = np.unique(split.labels[order], return_index=True)
    fronts = np.sort(first)[:IMAGES]
    others = np.setdiff1d(np.arange(min(len(order), BATCH)), fronts)
    chosen: NDArray[np.int64] = order[np.concatenate([fronts, others])][:BATCH]
    return chosen
