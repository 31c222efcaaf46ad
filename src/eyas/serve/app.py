"""The whole service as one ASGI application, whichever server and process it runs in."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from eyas.bundle import Bundle
from eyas.core.schema import ServeConfig
from eyas.serve.endpoints import endpoints, metrics
from eyas.serve.http import Answer, Application, Endpoint, Request
from eyas.serve.http.application import Limits, Observer
from eyas.serve.logs import AccessLog
from eyas.serve.metrics import Meter, Tables
from eyas.serve.model import Model
from eyas.serve.models import Models
from eyas.serve.openapi import document, page
from eyas.serve.service import Service


def create_app(bundle: Bundle, config: ServeConfig) -> Application:
    """The service over one bundle. An app that exists has reproduced the bundle's golden answers.

    Raises:
        BundleError: the graph cannot be loaded, or does not give its golden answers.
    """
    models = Models()
    models.put(bundle.manifest.name, Model(bundle, config.threads or 1), live=True)
    tables = Tables(1)
    return build_app(Service(models, config, Meter(tables.counts(0))), tables)


def build_app(service: Service, tables: Tables, observers: Sequence[Observer] = ()) -> Application:
    """The application over models that are loaded.

    Args:
        tables: what all workers count in.
        observers: told of every request, beside those that the configuration asks for.
    """
    table = (*endpoints(service), *metrics.endpoints(tables))
    spec = document(service, table)
    described = (
        _static("/openapi.json", msgspec.json.encode(spec), "application/json"),
        _static("/docs", page(spec).encode(), "text/html; charset=utf-8"),
    )
    config = service.config
    told = [service.meter, *observers, *([AccessLog()] if config.access_log else [])]
    limits = Limits(int(config.max_body_mb * 1_000_000), config.body_seconds)
    return Application((*table, *described), limits, observers=told)


def _static(path: str, body: bytes, media_type: str) -> Endpoint:
    async def handler(request: Request) -> Answer:
        return Answer(body, media_type=media_type)

    return Endpoint("GET", path, "", handler)
