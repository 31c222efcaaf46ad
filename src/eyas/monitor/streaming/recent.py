"""The last requests, in rings of a fixed size: what an alarm looks back on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.monitor.streaming.scoring import ImageScores


@dataclass(frozen=True)
class Window:
    """n requests, the oldest first."""

    ids: tuple[str, ...]
    scores: NDArray[np.float32]
    """(n, S); NaN where a request had none."""
    p_values: NDArray[np.float32]
    """(n, S); NaN where a request had none."""
    predicted: NDArray[np.int64]
    unknown: NDArray[np.bool_]
    probabilities: NDArray[np.float32]
    """(n, K)."""

    def __len__(self) -> int:
        return len(self.predicted)

    def only(self, rows: NDArray[np.bool_]) -> Window:
        """Those of (n,) requests."""
        ids = tuple(name for name, kept in zip(self.ids, rows.tolist(), strict=True) if kept)
        return Window(
            ids,
            self.scores[rows],
            self.p_values[rows],
            self.predicted[rows],
            self.unknown[rows],
            self.probabilities[rows],
        )


class Recent:
    """The last `size` requests."""

    def __init__(self, size: int, streams: int, classes: int) -> None:
        self._size = size
        self._ids = [""] * size
        self._scores = np.full((size, streams), np.nan, np.float32)
        self._p_values = np.full((size, streams), np.nan, np.float32)
        self._predicted = np.zeros(size, np.int64)
        self._unknown = np.zeros(size, np.bool_)
        self._probabilities = np.zeros((size, classes), np.float32)
        self.count = 0
        """Requests ever seen."""

    def extend(
        self,
        request_ids: Sequence[str],
        scores: NDArray[np.float32],
        p_values: Sequence[list[float]],
        images: ImageScores,
    ) -> None:
        """Put n requests, at most `size`, in the places of the oldest.

        Args:
            request_ids: n.
            scores: (n, S).
            p_values: (n, S).
            images: n.
        """
        first, count = self.count % self._size, len(request_ids)
        at: slice | NDArray[np.int64] = slice(first, first + count)  # faster than the places one by one
        if first + count > self._size:
            at = np.arange(first, first + count) % self._size
        for place, name in enumerate(request_ids, first):
            self._ids[place % self._size] = name
        self._scores[at] = scores
        self._p_values[at] = p_values
        self._predicted[at] = images.predicted
        self._unknown[at] = images.unknown
        self._probabilities[at] = images.probabilities
        self.count += count

    def since(self, request: int) -> Window:
        """The requests from this one on, counted from 1, as far as they are still there."""
        first = max(request - 1, self.count - self._size, 0)
        at = np.arange(first, self.count) % self._size
        return Window(
            tuple(self._ids[place] for place in at),
            self._scores[at],
            self._p_values[at],
            self._predicted[at],
            self._unknown[at],
            self._probabilities[at],
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """What `restore` goes on with."""
        return {
            "ids": np.array(self._ids, np.str_),
            "scores": self._scores,
            "p_values": self._p_values,
            "predicted": self._predicted,
            "unknown": self._unknown,
            "probabilities": self._probabilities,
            "count": np.array(self.count),
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from a kept state of the same size."""
        self._ids[:] = state["ids"].tolist()
        self._scores[...], self._p_values[...] = state["scores"], state["p_values"]
        self._predicted[...], self._unknown[...] = state["predicted"], state["unknown"]
        self._probabilities[...] = state["probabilities"]
        self.count = int(state["count"])
