"""The calls of the Open Inference Protocol as endpoints of an application: the guards of HTTP stand before them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.message import DecodeError

from eyas.infer import Prediction
from eyas.serve.http import Answer, Endpoint, Problem, Request
from eyas.serve.protocols.metadata import SERVER, metadata, outputs_of
from eyas.serve.reading import Reading
from eyas.serve.rpc import codec
from eyas.serve.rpc.messages import SERVICE, message
from eyas.serve.service import Service

MEDIA_TYPE = "application/grpc"
SECONDS_PER_BYTE = 2e-9
Call = Callable[[Request, Any], Awaitable[Any]]
"""Of a request and the message in it."""


def endpoints(service: Service) -> tuple[Endpoint, ...]:
    """Health, metadata, inference; inference alone asks for a scope, as over HTTP."""

    async def server_live(request: Request, asked: Any) -> Any:
        return message("ServerLiveResponse")(live=True)

    async def server_ready(request: Request, asked: Any) -> Any:
        return message("ServerReadyResponse")(ready=bool(service.models.names))

    async def model_ready(request: Request, asked: Any) -> Any:
        service.find(request, asked.name, asked.version)
        return message("ModelReadyResponse")(ready=True)

    async def server_metadata(request: Request, asked: Any) -> Any:
        return message("ServerMetadataResponse")(name=SERVER.name, version=SERVER.version, extensions=SERVER.extensions)

    async def model_metadata(request: Request, asked: Any) -> Any:
        model = service.find(request, asked.name, asked.version)
        about = metadata(model, service.models.versions(model.name))
        response = message("ModelMetadataResponse")(name=about.name, versions=about.versions, platform=about.platform)
        for field, told in ((response.inputs, about.inputs), (response.outputs, about.outputs)):
            for one in told:
                field.add(name=one.name, datatype=one.datatype, shape=one.shape)
        return response

    async def model_infer(request: Request, asked: Any) -> Any:
        return await _infer(service, request, asked)

    calls: dict[str, Call] = {
        "ServerLive": server_live,
        "ServerReady": server_ready,
        "ModelReady": model_ready,
        "ServerMetadata": server_metadata,
        "ModelMetadata": model_metadata,
        "ModelInfer": model_infer,
    }
    return tuple(_endpoint(name, call) for name, call in calls.items())


def _endpoint(name: str, call: Call) -> Endpoint:
    kind = message(f"{name}Request")
    empty = not kind.DESCRIPTOR.fields  # it says nothing: nothing of it is read

    async def handler(request: Request) -> Answer:
        body = b"" if empty else await request.body()
        try:
            asked = kind.FromString(body)
        except DecodeError:
            raise Problem(400, f"the message is no {name}Request") from None
        return Answer((await call(request, asked)).SerializeToString(), media_type=MEDIA_TYPE)

    return Endpoint("POST", f"/{SERVICE}/{name}", "", handler, scope="predict" if name == "ModelInfer" else None)


async def _infer(service: Service, request: Request, asked: Any) -> Any:
    route = service.route(request, asked.model_name, asked.model_version)
    model = route.model
    policy = model.bundle.policy
    found = codec.asked(asked, policy, outputs_of(model), service.config.max_images)
    size = 0 if found.binary is None else len(found.binary)
    reading = Reading(size * SECONDS_PER_BYTE, found.tensor.shape[0], lambda: found.images(policy))

    def tell(prediction: Prediction) -> Any:
        return codec.answer(found, prediction, route)

    return await service.predict(route, reading, tell, request.until, cam=found.cam)
