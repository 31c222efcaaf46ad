"""A shadow is asked after the answer has gone, and only where nobody waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import perf_counter

from eyas.infer import Prediction
from eyas.serve.dealing import Route
from eyas.serve.lane import Lane
from eyas.serve.metrics import Meter
from eyas.serve.model import Model
from eyas.serve.monitoring.reporter import Reporter
from eyas.serve.reading import Images

log = logging.getLogger("eyas.serve")


class Shadows:
    """Used from the lane: on the event loop, or in a thread.

    Args:
        run: predicts.
    """

    def __init__(self, lane: Lane, run: Callable[[Model, Images], Prediction], meter: Meter) -> None:
        self._lane, self._run, self._meter = lane, run, meter
        self._tasks: set[asyncio.Task[None]] = set()
        self._said: set[str] = set()

    def ask(self, route: Route, images: Images, prediction: Prediction, reporter: Reporter) -> None:
        """Have the shadow of a route predict the same images, soon or not at all."""
        reporter.loop.call_soon_threadsafe(self._begin, route, images, prediction, reporter)

    def _begin(self, route: Route, images: Images, prediction: Prediction, reporter: Reporter) -> None:
        task = asyncio.get_running_loop().create_task(self._compare(route, images, prediction, reporter))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _compare(self, route: Route, images: Images, prediction: Prediction, reporter: Reporter) -> None:
        shadow = route.shadow
        await asyncio.sleep(0)  # the answer goes out first
        if shadow is None or not self._lane.idle:
            return
        began = perf_counter()
        try:
            found = await self._lane.run(len(images) * shadow.seconds, lambda: self._run(shadow, images))
        except Exception as error:  # noqa: BLE001  (nobody waits for it)
            if (said := f"{shadow.name} {shadow.version} fails in the shadow: {error}") not in self._said:
                self._said.add(said)
                log.warning(said)
            self._meter.shadowed((shadow.name, shadow.version), ok=False)
        else:
            self._meter.shadowed((shadow.name, shadow.version), ok=True)
            seen = Route(shadow, route.id, "shadow", route.step, route.keyed)
            reporter.note(seen, images, found, perf_counter() - began, champion=prediction.classes.tolist())
