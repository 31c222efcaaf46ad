"""Asking a model about many changed images, within a budget of time and of questions."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import ServingError

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Predict = Callable[[Pixels], NDArray[np.float32]]
"""(N, H, W, C) uint8 → (N, K) probabilities."""
AT_ONCE = 32  # images in a batch


class OutOfTimeError(ServingError):
    """The model is too slow for what was to be asked."""


class Asker:
    """How probable one class is, asked again and again.

    Args:
        predict: the model.
        index: of the class.
        seconds: in all. After half of them no more is asked for a map, the rest is for its measure; after twice as
            many all is given up.
        most: images asked about for a map, roughly.
    """

    def __init__(self, predict: Predict, index: int, seconds: float, most: int) -> None:
        self._predict, self._index = predict, index
        self._began, self._seconds, self._most = monotonic(), seconds, most
        self.asked = 0
        """Images, so far; who takes gradients adds theirs."""

    @property
    def may_ask(self) -> bool:
        """Whether there is something left for a map."""
        return self.asked < self._most and self._passed < self._seconds / 2

    @property
    def left_for_map(self) -> float:
        """Seconds, at least 0."""
        return max(0.0, self._seconds / 2 - self._passed)

    @property
    def may_measure(self) -> bool:
        """Whether there is something left for its measure."""
        return self._passed < self._seconds

    def __call__(self, images: Pixels) -> Floats:
        """(N, H, W, C) uint8 → (N,) probabilities of the class.

        Raises:
            OutOfTimeError: twice the time is over.
        """
        found = np.empty(len(images))
        for start in range(0, len(images), AT_ONCE):
            if self._passed > 2 * self._seconds:
                raise OutOfTimeError(
                    f"{self.asked} images took more than twice {self._seconds:g} s: the model is too slow for this "
                    "method; give it more seconds, or ask for cam"
                )
            part = images[start : start + AT_ONCE]
            found[start : start + AT_ONCE] = self._predict(part)[:, self._index]
            self.asked += len(part)
        return found

    @property
    def _passed(self) -> float:
        return monotonic() - self._began
