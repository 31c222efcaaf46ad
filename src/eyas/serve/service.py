"""What a worker serves with: its models, the lane that they run in, its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeVar

from eyas.core.schema import ServeConfig
from eyas.infer import Prediction
from eyas.monitor.store import PredictionStore, open_store
from eyas.serve.asking import Asking
from eyas.serve.batcher import Batcher
from eyas.serve.dealing import Route
from eyas.serve.http import Endpoint, Problem, Request
from eyas.serve.http.request import Limits, Room
from eyas.serve.ids import new_id
from eyas.serve.lane import Lane
from eyas.serve.metrics import Meter
from eyas.serve.model import Model
from eyas.serve.models import Models
from eyas.serve.monitoring.board import Board
from eyas.serve.monitoring.keeping import place_of
from eyas.serve.monitoring.reporter import Reporter
from eyas.serve.reading import BodyReader, Images, Reading
from eyas.serve.shadows import Shadows

T = TypeVar("T")
ENVELOPE_SECONDS_PER_BYTE = 2e-9
ENVELOPE_SHORT = 0.001  # seconds on the loop before the lane is asked
FULL = "the connections of a worker must be at most {:,} (serve.max_connections)"


@dataclass
class Service:
    """Used from one event loop."""

    models: Models
    config: ServeConfig
    meter: Meter
    asking: Asking | None = None
    """Of the supervisor, where it follows a repository: the models then change."""
    board: Board | None = None
    """Where the watcher says what it knows; None where there is none."""
    reporter: Reporter | None = None
    """Tells the watcher of each answer."""
    store: PredictionStore | None = field(init=False)
    """That the watcher writes to; None where there is none."""
    limits: Limits = field(init=False)
    """Of requests, however they come."""
    lane: Lane = field(init=False)
    _batcher: Batcher = field(init=False)

    def __post_init__(self) -> None:
        config, room = self.config, Room(self.config.max_bodies)
        self.limits = Limits(config.max_body, config.body_seconds, room, config.timeout_seconds)
        self.lane = Lane(config.max_wait_seconds, config.timeout_seconds, self.meter.waiting)
        self._batcher = Batcher(self.lane, self._run)
        self._shadows = Shadows(self.lane, self._run, self.meter)
        self.user_header = self.config.user_header.lower()
        monitor = self.config.monitor
        place = place_of(monitor) if monitor and self.board else None
        self.store = open_store(place) if place else None

    def find(self, request: Request, name: str = "", version: str = "") -> Model:
        """The model that a request is for; see `Models.find`."""
        model = self.models.find(name, version)
        self._at_hand(request, model)
        return model

    def route(self, request: Request, name: str = "", version: str = "") -> Route:
        """What answers a request for predictions: where it names no version and there is a rollout, either arm.

        A user stays with an arm: by the header `serve.user_header`, else by the subject of the token.

        Raises:
            Problem: as of `Models.find`.
        """
        model = self.models.find(name, version)
        new = new_id()
        dealer = None if version else self.models.dealer(model.name)
        user = request.header(self.user_header) or request.subject or ""
        route = dealer.deal(model, user, new) if dealer else Route(model, new)
        self._at_hand(request, route.model)
        request.prediction = route.id
        return route

    async def open(self, request: Request, size: int, work: Callable[[], T]) -> T:
        """What `work()` makes of an envelope of `size` bytes: at once, or in the lane where it is long."""
        seconds = size * ENVELOPE_SECONDS_PER_BYTE
        if seconds <= ENVELOPE_SHORT:
            return work()
        return await self.lane.run(seconds, work, request.until, request.model)

    def shed(self, request: Request, endpoint: Endpoint) -> None:
        """A guard, the first of all, so that what cannot be answered costs little.

        Raises:
            Problem: 503, too much waits already, or there are too many connections.
        """
        if endpoint.scope == "predict":
            if request.above:
                raise Problem(503, FULL.format(self.config.max_connections), headers={"Retry-After": "1"})
            self.lane.require_room()

    def require_ready(self) -> None:
        """Do nothing where some model answers.

        Raises:
            Problem: 503, none is loaded.
        """
        if not self.models.names:
            raise Problem(503, "no model is loaded")

    def reader(self, model: Model) -> BodyReader:
        """Of bodies that hold images for this model."""
        return BodyReader(model.bundle.policy, self.config)

    async def predict(
        self,
        route: Route,
        reading: Reading,
        tell: Callable[[Prediction], T],
        until: float | None = None,
        *,
        cam: bool = False,
    ) -> T:
        """Decode a body, predict its images, and put the prediction into words.

        Args:
            route: what predicts them.
            tell: called once with the prediction of all the images.
            until: when that must be done, by `perf_counter`: `Request.until`. None: within `serve.timeout_seconds`.
            cam: class activation maps are wanted; such a request is predicted alone.

        Raises:
            Problem: the service is too busy, or it is too late.
            InputError, UnsafeDataError: the body breaks a rule.
        """
        began, model = perf_counter(), route.model

        def answer(images: Images, prediction: Prediction) -> T:
            told = tell(prediction)
            if self.reporter:
                self.reporter.note(route, images, prediction, perf_counter() - began)
                if route.shadow:
                    self._shadows.ask(route, images, prediction, self.reporter)
            return told

        def work() -> T:
            images = reading.decode()
            return answer(images, self._run(model, images, cam=cam))

        if model.batch == 1 or cam or self.lane.idle:
            seconds = reading.seconds + reading.images * model.seconds
            return await self.lane.run(seconds, work, until, model.named)
        images = await self.lane.run(reading.seconds, reading.decode, until, model.named)
        return answer(images, await self._batcher.predict(model, images, until))

    def _run(self, model: Model, images: Images, *, cam: bool = False) -> Prediction:
        began = perf_counter()
        prediction = model.predict(images, cam=cam)
        self.meter.predicted(model.named, len(images), perf_counter() - began)
        if prediction.scores is None and model.tells_unknown:
            self.meter.unscored(model.named)
        return prediction

    def _at_hand(self, request: Request, model: Model) -> None:
        """It is now known what a request is for; told once, since its end is told once."""
        if request.model is None:
            request.model = model.named
            self.meter.routed(model.named)
