"""Images that wait for the same model at the same time are predicted together; nothing ever waits for company."""

from __future__ import annotations

import asyncio
import threading
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

    async def predict(self, model: Model, images: NDArray[np.uint8], until: float | None = None) -> Prediction:
        """The prediction of (N, H, W, C) uint8 images, in a batch with those of others where there are any.

        Args:
            until: as of the lane.

        Raises:
            Problem: as of the lane.
        """
        waiting = self._waiting.setdefault(model, deque())
        loop = asyncio.get_running_loop()
        own: asyncio.Future[Prediction] = loop.create_future()
        one = _One(images, own)
        waiting.append(one)
        try:
            seconds = model.seconds * len(images)
            await self._lane.run(seconds, lambda: self._predict_next(model, waiting, loop), until, model.named)
        except BaseException:
            with suppress(ValueError, IndexError):  # in vain where it has been taken
                waiting.remove(one)
            if own.done() and not own.cancelled():  # somebody before it has predicted for it
                return own.result()
            own.cancel()  # nobody waits for what may come of it yet
            raise
        return await own

    def _predict_next(self, model: Model, waiting: Waiting, loop: asyncio.AbstractEventLoop) -> None:
        """Predict what waits first, up to the model's batch; nothing where others have done so already.

        In the lane: on the loop, or in a thread, while the loop may add to what waits and take away.
        """
        taken: list[_One] = []
        size = 0
        with suppress(IndexError):
            while not taken or size + len(waiting[0].images) <= model.batch:
                taken.append(waiting.popleft())
                size += len(taken[-1].images)
        if not taken:
            return
        try:
            whole = self._run(model, np.concatenate([one.images for one in taken]))
        except Exception as error:  # noqa: BLE001  (handed to all who wait for it)
            outcomes: list[Outcome] = [(one.done, error) for one in taken]
        else:
            ends = np.cumsum([len(one.images) for one in taken]).tolist()
            parts = pairwise([0, *ends])
            outcomes = [(one.done, whole[start:end]) for one, (start, end) in zip(taken, parts, strict=True)]
        if threading.current_thread() is threading.main_thread():
            _deliver(outcomes)
        else:
            loop.call_soon_threadsafe(_deliver, outcomes)


def _deliver(outcomes: list[Outcome]) -> None:
    """From the lane itself: whoever waits for a result gets it, even if the one whose turn it was has left."""
    for future, outcome in outcomes:
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
