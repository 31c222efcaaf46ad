"""The Open Inference Protocol, version 2, as Triton and KServe speak it; see `eyas.serve.protocols.oip`.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from eyas.serve.http import JSON, PREDICT_ERRORS, Answer, Endpoint, Request, json_answer
from eyas.serve.model import Model
from eyas.serve.protocols import oip
from eyas.serve.protocols.metadata import (
    SERVER,
    ModelConfig,
    ModelMetadata,
    ServerMetadata,
    configuration,
    metadata,
    outputs_of,
)
from eyas.serve.protocols.tensors import DTYPES, IMAGES
from eyas.serve.reading import Reading
from eyas.serve.reading.bodies import JSON_SECONDS_PER_BYTE
from eyas.serve.service import Service

BINARY = "application/octet-stream"


class Live(msgspec.Struct):
    """The server answers."""

    live: bool = True


class ServerReady(msgspec.Struct):
    """There is a model that answers."""

    ready: bool = True


class ModelReady(msgspec.Struct):
    """The model is ready."""

    name: str
    ready: bool = True


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """Health, metadata, inference."""
    return (*_of_server(service), *_of_models(service))


def _of_server(service: Service) -> tuple[Endpoint, ...]:
    async def server(request: Request) -> Answer:
        return json_answer(SERVER)

    async def live(request: Request) -> Answer:
        return json_answer(Live())

    async def ready(request: Request) -> Answer:
        service.require_ready()
        return json_answer(ServerReady())

    async def index(request: Request) -> Answer:
        rows = [{"name": one.name, "version": one.version, "state": "READY"} for one in service.models]
        return json_answer(rows)

    return (
        Endpoint("GET", "/v2", "Open Inference Protocol: which server is it?", server, ServerMetadata),
        Endpoint("GET", "/v2/health/live", "Open Inference Protocol: does it answer?", live, Live),
        Endpoint("GET", "/v2/health/ready", "Open Inference Protocol: is it ready?", ready, ServerReady),
        Endpoint("POST", "/v2/repository/index", "Triton: which models are loaded?", index, answers=INDEX),
    )


def _of_models(service: Service) -> Iterator[Endpoint]:
    def find(request: Request) -> Model:
        return service.find(request, request.params["model"], request.params.get("version", ""))

    async def about(request: Request) -> Answer:
        model = find(request)
        return json_answer(metadata(model, service.models.versions(model.name)))

    async def ready(request: Request) -> Answer:
        return json_answer(ModelReady(find(request).name))

    async def config(request: Request) -> Answer:
        return json_answer(configuration(find(request), service.config.max_images))

    async def infer(request: Request) -> Answer:
        return await _infer(service, find(request), request)

    tensors = "Open Inference Protocol: tensors in, tensors out; as JSON or binary."
    takes: dict[str, Any] = {"errors": PREDICT_ERRORS, "body": infer_body(), "scope": "predict"}
    get = (404, 500, 503)
    for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        yield Endpoint("GET", path, "What does the model take and give?", about, ModelMetadata, errors=get)
        yield Endpoint("GET", f"{path}/ready", "Is the model ready?", ready, ModelReady, errors=get)
        yield Endpoint("GET", f"{path}/config", "Triton: the model's configuration.", config, ModelConfig, errors=get)
        yield Endpoint("POST", f"{path}/infer", tensors, infer, oip.InferAnswer, **takes)


async def _infer(service: Service, model: Model, request: Request) -> Answer:
    body = await request.body()
    header, policy, most = request.header(oip.HEADER), model.bundle.policy, service.config.max_images

    def parse() -> oip.Asked:
        return oip.parse(body, header, policy, outputs_of(model), most)

    asked = await service.open(int(header) if header.isdecimal() else len(body), parse)
    cost = 0.0 if asked.binary is not None else len(body) * JSON_SECONDS_PER_BYTE
    reading = Reading(cost, asked.tensor.shape[0], lambda: asked.images(policy))

    def tell(prediction: Any) -> Answer:
        return oip.answer(asked, prediction, model.name, model.version, model.bundle.classes)

    return await service.predict(model, reading, tell, cam=asked.cam)


_ROW = {name: {"type": "string"} for name in ("name", "version", "state")}
INDEX: dict[str, Any] = {
    JSON: {"schema": {"type": "array", "items": {"type": "object", "properties": _ROW, "required": list(_ROW)}}}
}


def infer_body() -> dict[str, Any]:
    """OpenAPI's description of an inference request."""
    parameters = {"type": "object"}
    tensor = {
        "type": "object",
        "properties": {
            "name": {"const": IMAGES},
            "datatype": {"enum": list(DTYPES), "description": "UINT8: bytes; FP32: shares of white in [0, 1]."},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 4, "maxItems": 4},
            "data": {
                "type": "array",
                "description": "Flat, or nested: [N, height, width, channels], as the model's metadata says.",
            },
            "parameters": parameters,
        },
        "required": ["name", "datatype", "shape"],
    }
    output = {"type": "object", "properties": {"name": {"type": "string"}, "parameters": parameters}}
    request = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "inputs": {"type": "array", "items": tensor, "minItems": 1, "maxItems": 1},
            "outputs": {"type": "array", "items": {**output, "required": ["name"]}},
            "parameters": parameters,
        },
        "required": ["inputs"],
    }
    return {JSON: {"schema": request}, BINARY: {}}
