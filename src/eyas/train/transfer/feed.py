"""Batches of kept features, in the places of batches of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eyas.data import Split
from eyas.train.augment import Augment, Augmented
from eyas.train.augment.draws import fair_coin
from eyas.train.feed import Feed


class FeatureFeed(Feed):
    """Features of a split's images by their positions.

    Args:
        views: for each view (M, D) float16, a row for each row of the split's array of images.
    """

    def __init__(self, split: Split, views: Sequence[NDArray[np.float16]], device: torch.device) -> None:
        self.split, self.device, self._views = split, device, views

    @property
    def views(self) -> int:
        """V."""
        return len(self._views)

    def take(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """(n, D) float32 features, or (n, V, D) where there are several views, and (n,) int64 labels."""
        chosen = self.split.rows[rows]
        views = [torch.from_numpy(view[chosen]).float() for view in self._views]
        features = views[0] if len(views) == 1 else torch.stack(views, 1)
        return self._upload(features), self._upload(torch.from_numpy(self.split.labels[rows]))

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each feature over all images and views, (D,) each, in two passes of float64."""
        parts = list(np.array_split(self.split.rows, max(1, len(self.split) // 4096)))
        count = len(self.split) * len(self._views)
        every = [(view, part) for view in self._views for part in parts]
        mean = sum(view[part].astype(np.float64).sum(0) for view, part in every) / count
        square = sum(((view[part] - mean) ** 2).sum(0) for view, part in every) / count
        return torch.from_numpy(mean).float(), torch.from_numpy(np.sqrt(square)).float()


class ViewOfEpoch(Augment):
    """Each image's view of this epoch: they take turns, and half of the images begin with another than the others.

    Args:
        views: V.
    """

    def __init__(self, views: int, seed: int) -> None:
        self._views, self._seed = views, seed

    def __call__(
        self, images: Tensor, labels: Tensor, rows: NDArray[np.int64], epoch: int, step: int, rank: int = 0
    ) -> Augmented:
        """(n, V, D) features to (n, D); features of one view come as they are."""
        if images.ndim == 2:
            return Augmented(images, labels)
        turn = (fair_coin(rows, self._seed).astype(np.int64) + epoch) % self._views
        return Augmented(images[torch.arange(len(rows)), torch.from_numpy(turn)], labels)
