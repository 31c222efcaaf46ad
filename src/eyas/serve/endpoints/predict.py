"""The service's own endpoints, as the course has them, with more kinds of bodies."""

from __future__ import annotations

from typing import Any

from eyas.infer import Prediction
from eyas.serve.endpoints.which import WHICH, which
from eyas.serve.http import JSON, PREDICT_ERRORS, Answer, Endpoint, Request, json_answer
from eyas.serve.reading.bodies import MULTIPART
from eyas.serve.request_schemas import FORM, by_range, pixels
from eyas.serve.schemas import Alive, Health, ModelInfo, Ready
from eyas.serve.schemas import Answer as Predicted
from eyas.serve.service import Service


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """Health, description, predictions."""

    async def health(request: Request) -> Answer:
        version = service.models.default.version
        return json_answer(Health("healthy", model_loaded=True, preprocessor_loaded=True, version=version))

    async def alive(request: Request) -> Answer:
        return json_answer(Alive())

    async def ready(request: Request) -> Answer:
        service.require_ready()
        return json_answer(Ready())

    async def model_info(request: Request) -> Answer:
        return json_answer(service.find(request, *which(request)).info)

    async def predict(request: Request) -> Answer:
        route = service.route(request, *which(request))
        model = route.model
        reading = await service.reader(model).read(request)

        def tell(prediction: Prediction) -> Answer:
            return json_answer(model.answer(prediction, route.id))

        return await service.predict(route, reading, tell, request.until)

    return (
        Endpoint("GET", "/health", "Is the service healthy, and which version is it?", health, Health),
        Endpoint("GET", "/livez", "Does the process answer?", alive, Alive, errors=(500,)),
        Endpoint("GET", "/readyz", "Is the model ready to predict?", ready, Ready),
        Endpoint(
            "GET", "/model-info", "What is the model?", model_info, ModelInfo, errors=(404, 500, 503), query=WHICH
        ),
        Endpoint(
            "POST",
            "/predict",
            "Classify one or many images.",
            predict,
            Predicted,
            errors=PREDICT_ERRORS,
            body=predict_body(service),
            query=WHICH,
            scope="predict",
        ),
    )


def predict_body(service: Service, *, one: bool = False) -> dict[str, Any]:
    """The request bodies that `eyas.serve.reading` takes; `one`: those that hold a single image."""
    depth, many = (3, "one image") if one else (4, "one image or many")
    shape = "the shape that its /model-info says"
    if service.asking is None:  # else the models change, and this description does not
        shape = " × ".join(map(str, service.models.default.bundle.policy.shape))
    says = {
        "description": f"Pixels, in lists nested 1 to {depth} deep: {many}, flat or not. The model takes {shape} "
        "(height × width × channels) and other sizes are brought to it.",
    }
    return {
        JSON: {
            "schema": by_range(lambda top: {"properties": {"data": pixels(top, depth) | says}, "required": ["data"]}),
        },
        MULTIPART: {"schema": FORM | {"maxProperties": 1} if one else FORM},
        "image/*": {},
        "application/octet-stream": {},
    }
