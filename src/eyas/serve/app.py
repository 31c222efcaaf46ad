"""The ASGI application: the endpoints' routes, their description, the one shape of errors."""

from __future__ import annotations

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eyas.bundle import Bundle
from eyas.core.schema import ServeConfig
from eyas.serve.capacity import Capacity
from eyas.serve.endpoints import Endpoint, Handler, endpoints
from eyas.serve.openapi import document, page
from eyas.serve.problems import handlers
from eyas.serve.request_id import RequestId
from eyas.serve.service import Service


def create_app(bundle: Bundle, config: ServeConfig) -> Starlette:
    """The service over one bundle. An app that exists has reproduced the bundle's golden answers.

    Raises:
        BundleError: the graph cannot be loaded, or does not give its golden answers.
    """
    service = Service(bundle, config)
    table = endpoints(service)
    spec = document(service, table)
    described = (
        Route("/openapi.json", _static(msgspec.json.encode(spec), "application/json")),
        Route("/docs", _static(page(spec).encode(), "text/html")),
    )
    routes = [*map(_route, table), *described]
    methods = {route.path: tuple(sorted(route.methods or ())) for route in routes}
    return Starlette(
        routes=routes,
        middleware=[Middleware(RequestId), Middleware(Capacity)],
        exception_handlers=handlers(methods),
    )


def _route(endpoint: Endpoint) -> Route:
    return Route(endpoint.path, endpoint.handler, methods=[endpoint.method])


def _static(body: bytes, media_type: str) -> Handler:
    async def handler(request: Request) -> Response:
        return Response(body, media_type=media_type)

    return handler
