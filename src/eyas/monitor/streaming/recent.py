"""The last requests, in rings of a fixed size: what an alarm looks back on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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

    def add(
        self,
        request_id: str,
        scores: list[float],
        p_values: list[float],
        predicted: int,
        unknown: bool,
        probabilities: NDArray[np.float32],
    ) -> None:
        """Put a request in the place of the oldest."""
        at = self.count % self._size
        self._ids[at] = request_id
        self._scores[at] = scores
        self._p_values[at] = p_values
        self._predicted[at] = predicted
        self._unknown[at] = unknown
        self._probabilities[at] = probabilities
        self.count += 1

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
