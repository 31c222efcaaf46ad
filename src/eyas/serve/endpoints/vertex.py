"""Vertex AI's custom containers, on the paths that the configuration or the environment names.

https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
"""

from __future__ import annotations

from eyas.serve.endpoints.platforms import predict_instances
from eyas.serve.http import JSON, PREDICT_ERRORS, Answer, Endpoint, Request, json_answer
from eyas.serve.protocols.instances import open_vertex
from eyas.serve.request_schemas import by_range, instances
from eyas.serve.schemas import Predictions, Ready
from eyas.serve.service import Service

BODY = {
    JSON: {
        "schema": by_range(
            lambda top: {"properties": {"instances": instances(top)}, "required": ["instances"]}, "parameters"
        )
    }
}


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """Health and predictions; nothing where no path is named."""

    async def health(request: Request) -> Answer:
        service.require_ready()
        return json_answer(Ready())

    async def predict(request: Request) -> Answer:
        request.require_type(JSON)
        return await predict_instances(service, service.route(request), request, open_vertex)

    table = []
    if route := service.config.vertex_health_route:
        table.append(Endpoint("GET", route, "Vertex AI: is it ready?", health, Ready))
    if route := service.config.vertex_predict_route:
        table.append(
            Endpoint(
                "POST",
                route,
                "Vertex AI: classify.",
                predict,
                Predictions,
                errors=PREDICT_ERRORS,
                body=BODY,
                scope="predict",
            )
        )
    return tuple(table)
