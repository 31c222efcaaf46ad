"""The gRPC server of a worker, in the worker's own event loop.

Every worker listens on the same port (SO_REUSEPORT): the kernel deals the connections out. There are no guards here, so
the port is this machine's alone.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from eyas.core.errors import ServingError
from eyas.infer import Prediction
from eyas.serve.http.listening import in_url
from eyas.serve.http.problems import Problem, from_exception
from eyas.serve.protocols.metadata import SERVER, metadata, outputs_of
from eyas.serve.reading import Reading
from eyas.serve.rpc import codec
from eyas.serve.rpc.messages import SERVICE, message
from eyas.serve.service import Service

SECONDS_PER_BYTE = 2e-9
MOST_AT_ONCE = 64  # requests in a worker, whose messages are all in memory
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
log = logging.getLogger("eyas.serve")
Call = Callable[[Any, Any], Awaitable[Any]]
"""Of a request and its context."""


async def start(service: Service) -> Any:
    """A `grpc.aio` server that listens; `await server.stop(seconds)` ends it.

    Raises:
        ServingError: the port cannot be listened on.
    """
    config = service.config
    options = [("grpc.so_reuseport", 1), ("grpc.max_receive_message_length", config.max_body)]
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=MOST_AT_ONCE)
    handlers = {name: _method(name, call) for name, call in _calls(service).items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    try:
        server.add_insecure_port(f"{in_url(config.host)}:{config.grpc_port}")
    except RuntimeError as error:
        raise ServingError(f"cannot listen on serve.grpc_port={config.grpc_port}: {error}") from error
    await server.start()
    return server


def _calls(service: Service) -> dict[str, Call]:
    async def server_live(request: Any, context: Any) -> Any:
        return message("ServerLiveResponse")(live=True)

    async def server_ready(request: Any, context: Any) -> Any:
        return message("ServerReadyResponse")(ready=bool(service.models.names))

    async def model_ready(request: Any, context: Any) -> Any:
        service.models.find(request.name, request.version)
        return message("ModelReadyResponse")(ready=True)

    async def server_metadata(request: Any, context: Any) -> Any:
        return message("ServerMetadataResponse")(name=SERVER.name, version=SERVER.version, extensions=SERVER.extensions)

    async def model_metadata(request: Any, context: Any) -> Any:
        model = service.models.find(request.name, request.version)
        about = metadata(model, service.models.versions(model.name))
        response = message("ModelMetadataResponse")(name=about.name, versions=about.versions, platform=about.platform)
        for field, told in ((response.inputs, about.inputs), (response.outputs, about.outputs)):
            for one in told:
                field.add(name=one.name, datatype=one.datatype, shape=one.shape)
        return response

    async def model_infer(request: Any, context: Any) -> Any:
        return await _infer(service, request, context)

    return {
        "ServerLive": server_live,
        "ServerReady": server_ready,
        "ModelReady": model_ready,
        "ServerMetadata": server_metadata,
        "ModelMetadata": model_metadata,
        "ModelInfer": model_infer,
    }


async def _infer(service: Service, request: Any, context: Any) -> Any:
    user = dict(context.invocation_metadata()).get(service.user_header, "")
    route = service.route_of(user, request.model_name, request.model_version)
    model = route.model
    policy = model.bundle.policy
    asked = codec.asked(request, policy, outputs_of(model), service.config.max_images)
    size = 0 if asked.binary is None else len(asked.binary)
    reading = Reading(size * SECONDS_PER_BYTE, asked.tensor.shape[0], lambda: asked.images(policy))

    def tell(prediction: Prediction) -> Any:
        return codec.answer(asked, prediction, route)

    return await service.predict(route, reading, tell, cam=asked.cam)


def _method(name: str, call: Call) -> Any:
    async def handle(request: Any, context: Any) -> Any:
        try:
            return await call(request, context)
        except Exception as error:
            problem = from_exception(error)
            if problem is None:
                log.exception("%s failed", name)
                problem = Problem(500, "the server failed; its log has the cause")
        await context.abort(CODES.get(problem.status, grpc.StatusCode.INTERNAL), problem.detail)

    return grpc.unary_unary_rpc_method_handler(
        handle,
        request_deserializer=message(f"{name}Request").FromString,
        response_serializer=message(f"{name}Response").SerializeToString,
    )
