"""What the endpoints of MLflow, SageMaker and Vertex AI share: a list of instances in, a list of predictions out."""

from __future__ import annotations

from collections.abc import Callable

from eyas.infer import Prediction
from eyas.serve.dealing import Route
from eyas.serve.http import Answer, Request, json_answer
from eyas.serve.protocols.instances import Instances
from eyas.serve.reading import Reading
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
    found = await service.open(request, len(body), lambda: opened(body))
    reader = service.reader(route.model)
    reading = reader.numbers if found.are_numbers else reader.several
    return await predict_reading(service, route, request, reading(len(body), lambda: found.images(reader)))


async def predict_reading(service: Service, route: Route, request: Request, reading: Reading) -> Answer:
    """Predict a body, and answer `{"predictions": …}`."""

    def tell(prediction: Prediction) -> Answer:
        return json_answer(Predictions(route.model.rows(prediction)))

    return await service.predict(route, reading, tell, request.until)
