"""The whole service as one ASGI application, whichever server and process it runs in."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from eyas.bundle import Bundle
from eyas.core.schema import ServeConfig
from eyas.serve import ui
from eyas.serve.endpoints import endpoints, metrics
from eyas.serve.http import Answer, Application, Endpoint, Request
from eyas.serve.http.application import Observer
from eyas.serve.logs import AccessLog
from eyas.serve.metrics import Meter, Tables
from eyas.serve.model import Model
from eyas.serve.models import Models
from eyas.serve.openapi import STYLE, document, page
from eyas.serve.service import Service
from eyas.serve.trust import Gate, Refusals, open_gate, with_refusals
from eyas.serve.trust.browsers import page_policy


def create_app(bundle: Bundle, config: ServeConfig) -> Application:
    """The service over one bundle. An app that exists has reproduced the bundle's golden answers.

    Raises:
        BundleError: the graph cannot be loaded, or does not give its golden answers.
        ConfigError: the keys, certificates or files that `config` names are not fit.
    """
    gate = open_gate(config)
    models = Models()
    models.put(bundle.manifest.name, Model(bundle, config.threads or 1, outlier_rate=config.outlier_rate))
    tables = Tables(1)
    return build_app(Service(models, config, Meter(tables.counts(0))), tables, gate)


def build_app(service: Service, tables: Tables, gate: Gate, observers: Sequence[Observer] = ()) -> Application:
    """The application over models that are loaded, behind its gate.

    Args:
        tables: what all workers count in.
        observers: told of every request, beside those that the configuration asks for.
    """
    table = with_refusals((*endpoints(service), *metrics.endpoints(tables)), service.config)
    spec = document(service, table)
    described = (
        _static("/openapi.json", msgspec.json.encode(spec), "application/json"),
        _static("/docs", page(spec).encode(), "text/html; charset=utf-8", page_policy(STYLE)),
    )
    service.models.watch(service.meter.keep)
    config = service.config
    told = [service.meter, *observers, *([AccessLog()] if config.access_log else [])]
    every = gate.extend((*table, *described, *ui.endpoints(service, table)))
    guards = (service.shed, *gate.guards)
    return Application(every, service.limits, guards, told, gate.headers, gate.origins, Refusals())


def _static(path: str, body: bytes, media_type: str, policy: str = "") -> Endpoint:
    async def handler(request: Request) -> Answer:
        return Answer(body, media_type=media_type, headers={"Content-Security-Policy": policy} if policy else {})

    return Endpoint("GET", path, "", handler)
