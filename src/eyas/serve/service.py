"""What a worker serves with: its models, the lane that they run in, its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from eyas.core.schema import ServeConfig
from eyas.infer import Prediction
from eyas.serve.batcher import Batcher
from eyas.serve.lane import Lane
from eyas.serve.model import Model
from eyas.serve.models import Models
from eyas.serve.reading import BodyReader, Reading

T = TypeVar("T")


@dataclass
class Service:
    """Used from one event loop."""

    models: Models
    config: ServeConfig
    lane: Lane = field(init=False)
    _batcher: Batcher = field(init=False)

    def __post_init__(self) -> None:
        self.lane = Lane(self.config.max_wait_seconds, self.config.timeout_seconds)
        self._batcher = Batcher(self.lane)

    def reader(self, model: Model) -> BodyReader:
        """Of bodies that hold images for this model."""
        return BodyReader(model.bundle.policy, self.config)

    async def predict(self, model: Model, reading: Reading, tell: Callable[[Prediction], T], *, cam: bool = False) -> T:
        """Decode a body, predict its images, and put the prediction into words.

        Args:
            tell: called once with the prediction of all the images.
            cam: class activation maps are wanted; such a request is predicted alone.

        Raises:
            Problem: the service is too busy.
            InputError, UnsafeDataError: the body breaks a rule.
        """
        if model.batch == 1 or cam:
            run = partial(model.predict, cam=True) if cam else model.predict
            return await self.lane.run(
                reading.seconds + reading.images * model.seconds, lambda: tell(run(reading.decode()))
            )
        images = await self.lane.run(reading.seconds, reading.decode)
        return tell(await self._batcher.predict(model, images))
