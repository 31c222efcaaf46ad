"""MLflow's scoring protocol, which is that of SageMaker's containers too.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from __future__ import annotations

from eyas import __version__
from eyas.serve.endpoints.platforms import predict_instances, predict_reading
from eyas.serve.http import JSON, PREDICT_ERRORS, Answer, Endpoint, Request, json_answer
from eyas.serve.protocols.instances import open_csv, open_mlflow
from eyas.serve.reading.bodies import FILES, MULTIPART
from eyas.serve.request_schemas import FORM, Schema, by_range, instances
from eyas.serve.schemas import Predictions, Ready
from eyas.serve.service import Service

CSV = "text/csv"
TAKEN = (JSON, CSV, MULTIPART, *FILES)
TEXT = "text/plain"


def _tables(top: int) -> Schema:
    """Of `FORMATS`, one."""
    images = instances(top)
    named = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": images}
    forms = {
        "instances": images,
        "inputs": {"anyOf": [images, named]},
        "dataframe_split": {"type": "object", "properties": {"data": images}, "required": ["data"]},
        "dataframe_records": images,
    }
    return {"properties": forms, "oneOf": [{"required": [name]} for name in forms]}


BODY = {
    JSON: {"schema": by_range(_tables, "params")},
    CSV: {"schema": {"type": "string", "description": "A row an image: its pixels in [0, 1]; with or without names."}},
    MULTIPART: {"schema": FORM},
    "image/*": {},
    "application/octet-stream": {},
}


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """Health, version, predictions."""

    async def ping(request: Request) -> Answer:
        service.require_ready()
        return json_answer(Ready())

    async def version(request: Request) -> Answer:
        return Answer(__version__.encode(), media_type=TEXT)

    async def invocations(request: Request) -> Answer:
        route = service.route(request, request.params.get("name", ""))
        media_type = request.require_type(*TAKEN)
        if media_type == JSON:
            return await predict_instances(service, route, request, open_mlflow)
        if media_type == CSV:
            return await predict_instances(service, route, request, open_csv)
        return await predict_reading(service, route, request, await service.reader(route.model).read(request))

    def predicting(path: str, summary: str) -> Endpoint:
        return Endpoint(
            "POST", path, summary, invocations, Predictions, errors=PREDICT_ERRORS, body=BODY, scope="predict"
        )

    text = {TEXT: {"schema": {"type": "string"}}}
    return (
        Endpoint("GET", "/ping", "MLflow, SageMaker: is it ready?", ping, Ready),
        Endpoint("GET", "/version", "MLflow: the version of the server.", version, answers=text, errors=(500,)),
        predicting("/invocations", "MLflow, SageMaker containers: classify."),
        predicting("/endpoints/{name}/invocations", "SageMaker's runtime client: classify; the model is {name}."),
    )
