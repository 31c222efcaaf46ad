"""Images that wait for the same model at the same time are predicted together; nothing ever waits for company."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from eyas.infer import Prediction
from eyas.serve.lane import Lane
from eyas.serve.model import Model


@dataclass(eq=False)
class _One:
    images: NDArray[np.uint8]
    """(N, H, W, C)."""
    done: asyncio.Future[Prediction]


Waiting = deque[_One]
Outcome = tuple[asyncio.Future[Prediction], Prediction | Exception]
Run = Callable[[Model, NDArray[np.uint8]], Prediction]


class Batcher:
    """For the models that gain from it.

    Each request has a turn in the lane of its own. Whoever's turn comes first predicts for those behind it too, and
    their turns are then idle.
    """

    def __init__(self, lane: Lane, run: Run) -> None:
        self._lane, self._run = lane, run
        self._waiting: WeakKeyDictionary[Model, Waiting] = WeakKeyDictionary()  # a model that has left is not held

    async def predict(self, model: Model, images: NDArray[np.uint8]) -> Prediction:
        """The prediction of (N, H, W, C) uint8 images, in a batch with those of others where there are any.

        Raises:
            Problem: as of the lane.
        """
        waiting = self._waiting.setdefault(model, deque())
        own: asyncio.Future[Prediction] = asyncio.get_running_loop().create_future()
        one = _One(images, own)
        waiting.append(one)
        try:
            outcomes = await self._lane.run(model.seconds * len(images), lambda: self._predict_next(model, waiting))
        except BaseException:
            with suppress(ValueError):
                waiting.remove(one)
            raise
        for future, outcome in outcomes:
            if future.cancelled():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
        return await own

    def _predict_next(
        self, model: Model, waiting: Waiting
    ) -> list[tuple[asyncio.Future[Prediction], Prediction | Exception]]:
        """Predict what waits first, up to the model's batch; nothing where others have done so already."""
        taken: list[_One] = []
        size = 0
        while waiting and (not taken or size + len(waiting[0].images) <= model.batch):
            taken.append(waiting.popleft())
            size += len(taken[-1].images)
        if not taken:
            return []
        try:
            whole = self._run(model, np.concatenate([one.images for one in taken]))
        except Exception as error:  # noqa: BLE001  (handed to all who wait for it)
            return [(one.done, error) for one in taken]
        ends = np.cumsum([len(one.images) for one in taken]).tolist()
        return [(one.done, whole[start:end]) for one, (start, end) in zip(taken, pairwise([0, *ends]), strict=True)]
