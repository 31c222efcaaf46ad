"""Why an image was answered so: a map of the parts that speak for a class, and whether it can be trusted."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from math import ceil

import msgspec
import numpy as np

from eyas.core.errors import InputError
from eyas.explain import METHODS, Explanation, OutOfTimeError
from eyas.explain.picture import draw
from eyas.image import PNG, to_png
from eyas.serve.endpoints.classes import class_index
from eyas.serve.endpoints.predict import predict_body
from eyas.serve.endpoints.which import WHICH, which
from eyas.serve.http import JSON, PREDICT_ERRORS, Answer, Endpoint, Problem, Request, json_answer
from eyas.serve.model import Model
from eyas.serve.reading import Images
from eyas.serve.service import Service

DIGITS = 5


class Explained(msgspec.Struct):
    """Which parts of an image speak for a class."""

    method: str
    prediction: int
    """Index of the class that is explained."""
    label: str
    """Its name."""
    probability: float
    map: list[list[float]]
    """One row for each of the image's; positive where a part speaks for the class."""
    deletion: float
    """Area under the probability as the most important parts are taken away: the lower the better."""
    insertion: float
    """As they are given back: the higher the better."""
    random: float | None
    """insertion - deletion of maps that mean nothing, on average; `null` where there was no time for any."""
    p_value: float
    """Chance that such a map does as well."""
    reliable: bool | None
    """Whether the map beats 19 of them; else it is no explanation. `null` where there was no time for all of them."""
    version: str
    """Of the bundle that answered."""


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """None, where `serve.explain_seconds` is 0."""
    if not service.config.explain_seconds:
        return ()
    work = _Work(service)

    async def explain(request: Request) -> Answer:
        model, query = service.find(request, *which(request)), request.query
        method, label = query.get("method", "occlusion"), query.get("class")
        index = None if label is None else class_index(label, model.bundle.classes, "class")
        if method not in METHODS:
            raise InputError(f"method must be one of {', '.join(METHODS)}, got {method[:80]}")
        reading = await service.reader(model).read(request)
        images = await service.lane.run(reading.seconds, reading.decode, request.until, model.named)
        if len(images) != 1:
            raise InputError(f"one image at a time is explained, got {len(images)}")
        found = await work.do(model, images, method, index)
        if PNG in request.header("accept"):
            return Answer(to_png(np.asarray(draw(images[0], found))), media_type=PNG)
        return json_answer(_told(found, model))

    what = "Which parts of an image speak for a class? In numbers, or with `Accept: image/png` as a picture."
    query = WHICH | {
        "method": f"{', '.join(METHODS)}; occlusion where it is left out.",
        "class": "Name or index of a class; the most probable one where it is left out.",
    }
    answers = {JSON: {"schema": {"$ref": "#/components/schemas/Explained"}}, PNG: {}}
    return (
        Endpoint(
            "POST",
            "/explain",
            what,
            explain,
            Explained,
            answers=answers,
            errors=(*PREDICT_ERRORS, 429),
            body=predict_body(service, one=True),
            query=query,
            scope="predict",
        ),
    )


class _Work:
    """One explanation at a time in a worker, in a thread beside the lane: predictions go on."""

    def __init__(self, service: Service) -> None:
        self._seconds = service.config.explain_seconds
        self._thread = ThreadPoolExecutor(1, "explain")
        self._busy = False

    async def do(self, model: Model, images: Images, method: str, index: int | None) -> Explanation:
        """One explanation.

        Raises:
            Problem: 429, another one is at hand; 504, the model is too slow for this method.
        """
        if self._busy:
            again = {"Retry-After": str(ceil(self._seconds))}
            raise Problem(429, "another image is being explained, one at a time is", headers=again)
        self._busy = True
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._thread, lambda: model.explain(images[0], method, index, self._seconds))
        work.add_done_callback(lambda done: setattr(self, "_busy", False))
        try:
            return await asyncio.shield(work)  # a client that leaves ends nothing: the thread goes on
        except OutOfTimeError as error:
            raise Problem(504, f"{error} (serve.explain_seconds)") from None


def _told(found: Explanation, model: Model) -> Explained:
    measured = found.reliability
    return Explained(
        method=found.method,
        prediction=found.index,
        label=model.bundle.classes[found.index],
        probability=found.probability,
        map=[[round(value, DIGITS) for value in row] for row in found.map.tolist()],
        deletion=measured.deletion,
        insertion=measured.insertion,
        random=measured.random if measured.maps else None,
        p_value=measured.p_value,
        reliable=measured.is_reliable,
        version=model.version,
    )
