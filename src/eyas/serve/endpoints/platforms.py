"""What the endpoints of MLflow, SageMaker and Vertex AI share: a list of instances in, a list of predictions out."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from eyas.infer import Prediction
from eyas.serve.dealing import Route
from eyas.serve.http import Answer, Request, json_answer
from eyas.serve.protocols.instances import Instances
from eyas.serve.reading import Reading
from eyas.serve.reading.bodies import JSON_BYTES_PER_VALUE, JSON_SECONDS_PER_BYTE, several
from eyas.serve.schemas import Predictions
from eyas.serve.service import Service


async def predict_instances(
    service: Service, route: Route, request: Request, opened: Callable[[bytes], Instances]
) -> Answer:
    """Open the body by `opened`, predict its instances, and answer `{"predictions": …}`.

    Raises:
        Problem, InputError, UnsafeDataError: as of `opened`, of the images and of the lane.
    """
    body = await request.body()
    found = await service.open(len(body), lambda: opened(body))
    reader = service.reader(route.model)
    if found.are_numbers:
        images = max(1, len(body) // (JSON_BYTES_PER_VALUE * prod(route.model.bundle.policy.shape)))
        reading = Reading(len(body) * JSON_SECONDS_PER_BYTE, images, lambda: found.images(reader))
    else:
        reading = Reading(several(len(body)), 1, lambda: found.images(reader))
    return await predict_reading(service, route, reading)


async def predict_reading(service: Service, route: Route, reading: Reading) -> Answer:
    """Predict a body, and answer `{"predictions": …}`."""

    def tell(prediction: Prediction) -> Answer:
        return json_answer(Predictions(route.model.rows(prediction)))

    return await service.predict(route, reading, tell)
