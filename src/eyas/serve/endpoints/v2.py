"""The Open Inference Protocol, version 2, as Triton and KServe speak it; see `eyas.serve.protocols.oip`.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from eyas.infer.session import CAM, OUTPUTS
from eyas.serve.dealing import Route
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
from eyas.serve.protocols.tensors import IMAGES
from eyas.serve.request_schemas import Schema, pixels
from eyas.serve.service import Service

BINARY = "application/octet-stream"
POSITIVE: Schema = {"type": "integer", "minimum": 1}
BINARY_LENGTH = {"Inference-Header-Content-Length": "Bytes of the JSON, where tensors follow it as binary data."}


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
        route = service.route(request, request.params["model"], request.params.get("version", ""))
        return await _infer(service, route, request)

    tensors = "Open Inference Protocol: tensors in, tensors out; as JSON or binary."
    takes: dict[str, Any] = {
        "answers": {BINARY: {}},
        "answer_headers": BINARY_LENGTH,
        "errors": PREDICT_ERRORS,
        "headers": BINARY_LENGTH,
        "body": infer_body(None if service.asking else service.models.default),
        "scope": "predict",
    }
    get = (404, 500, 503)
    for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        yield Endpoint("GET", path, "What does the model take and give?", about, ModelMetadata, errors=get)
        yield Endpoint("GET", f"{path}/ready", "Is the model ready?", ready, ModelReady, errors=get)
        yield Endpoint("GET", f"{path}/config", "Triton: the model's configuration.", config, ModelConfig, errors=get)
        yield Endpoint("POST", f"{path}/infer", tensors, infer, oip.InferAnswer, **takes)


async def _infer(service: Service, route: Route, request: Request) -> Answer:
    model = route.model
    body = await request.body()
    policy, most = model.bundle.policy, service.config.max_images

    json_size = oip.json_size(body, request.header(oip.HEADER))

    def parse() -> oip.Asked:
        return oip.parse(body, json_size, policy, outputs_of(model), most)

    asked = await service.open(request, json_size, parse)
    size = 0 if asked.binary is not None else len(body)
    reading = service.reader(model).numbers(size, lambda: asked.images(policy), asked.tensor.shape[0])

    def tell(prediction: Any) -> Answer:
        return oip.answer(asked, prediction, model.name, model.version, model.bundle.classes)

    return await service.predict(route, reading, tell, request.until, cam=asked.cam)


_ROW = {name: {"type": "string"} for name in ("name", "version", "state")}
INDEX: dict[str, Any] = {
    JSON: {"schema": {"type": "array", "items": {"type": "object", "properties": _ROW, "required": list(_ROW)}}}
}


def infer_body(model: Model | None) -> dict[str, Any]:
    """OpenAPI's description of an inference request.

    Args:
        model: the only one that there can be; None: there may be others, of other sizes.
    """
    outputs = {"enum": outputs_of(model) if model else (*OUTPUTS, CAM, oip.NEEDS_REVIEW, oip.UNKNOWN)}
    request = {
        "type": "object",
        "properties": {
            "id": {"type": ["string", "null"]},
            "inputs": {"type": "array", "items": _input_schema(model), "minItems": 1, "maxItems": 1},
            "outputs": {"type": "array", "items": _output_schema(outputs), "description": "None is named twice."},
            "parameters": {"type": "object", "properties": {"binary_data_output": {"type": "boolean"}}},
        },
        "required": ["inputs"],
    }
    return {JSON: {"schema": request}, BINARY: {}}


def _input_schema(model: Model | None) -> Schema:
    sizes: list[Schema] = [{"const": size} for size in model.bundle.policy.shape] if model else [POSITIVE] * 3
    shape = {"type": "array", "prefixItems": [POSITIVE, *sizes], "minItems": 4, "maxItems": 4}
    inline = {name: {"type": "null"} for name in ("binary_data_size", "shared_memory_region")}
    properties = {
        "name": {"const": IMAGES},
        "shape": shape,
        "parameters": {"type": "object", "properties": inline},
    }
    says = {"description": "Flat, or nested: [N, height, width, channels], as the model's metadata says."}
    kinds = [
        {"datatype": {"const": "UINT8", "description": "Bytes."}, "data": pixels(255, 4, "integer") | says},
        {"datatype": {"const": "FP32", "description": "Shares of white."}, "data": pixels(1, 4) | says},
    ]
    return {
        "type": "object",
        "properties": properties,
        "required": ["name", "shape", "datatype", "data"],
        "anyOf": [{"properties": kind} for kind in kinds],
    }


def _output_schema(names: Schema) -> Schema:
    parameters = {
        "binary_data": {"type": ["boolean", "null"]},
        "classification": {"type": ["integer", "null"], "minimum": 1},
        "shared_memory_region": {"type": "null"},
    }
    plain = {"type": "object", "properties": parameters | {"classification": {"type": "null"}}}
    return {
        "type": "object",
        "properties": {"name": names, "parameters": {"type": "object", "properties": parameters}},
        "required": ["name"],
        "anyOf": [{"properties": {"name": {"enum": oip.BY_CLASS}}}, {"properties": {"parameters": plain}}],
    }
