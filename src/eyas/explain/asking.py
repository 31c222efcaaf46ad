"""Asking a model about many changed images, within a budget of time and of questions."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Predict = Callable[[Pixels], NDArray[np.float32]]
"""(N, H, W, C) uint8 → (N, K) probabilities."""
AT_ONCE = 64  # images in a batch


class Asker:
    """How probable one class is, asked again and again.

    Args:
        predict: the model.
        index: of the class.
        seconds: after which no more is asked; what was begun is ended.
        most: images, at most.
    """

    def __init__(self, predict: Predict, index: int, seconds: float, most: int) -> None:
        self._predict, self._index = predict, index
        self._until, self._most = monotonic() + seconds, most
        self.asked = 0
        """Images, so far."""

    @property
    def may_ask(self) -> bool:
        """Whether the budget is not spent."""
        return self.asked < self._most and monotonic() < self._until

    def __call__(self, images: Pixels) -> Floats:
        """(N, H, W, C) uint8 → (N,) probabilities of the class, whatever is left of the budget."""
        found = [
            self._predict(images[start : start + AT_ONCE])[:, self._index] for start in range(0, len(images), AT_ONCE)
        ]
        self.asked += len(images)
        return np.concatenate(found).astype(np.float64) if found else np.zeros(0)
