"""The service described by itself: the OpenAPI 3.1 document, and a page of it that needs no other server."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from eyas import __version__
from eyas.serve.http import JSON, Endpoint
from eyas.serve.http.problems import KINDS, MEDIA_TYPE, ProblemDetails
from eyas.serve.service import Service

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}
h2{margin-top:2.5rem}code,pre{font:14px/1.45 ui-monospace,monospace}
pre{background:#f4f4f2;padding:.8rem;overflow:auto;border-radius:4px}
table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1rem .2rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{background:#161616;color:#eee}pre{background:#262626}a{color:#8cf}}
"""
STRING = {"type": "string"}
COUNT = {"type": "integer", "minimum": 1}
ID = {"description": "The request's, where it was a sane one; else a new one.", "schema": STRING}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": ID | {"required": True},
    "WWW-Authenticate": {"description": "Which token is asked for (RFC 6750).", "schema": STRING},
    "Retry-After": {"description": "Seconds until it may go better, where that is known.", "schema": COUNT},
}
TOLD = {401: ("WWW-Authenticate",), 403: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
SCHEMES = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
PREDICT = "/predict"
MEANINGS = {
    401: "The request must carry a bearer token that this service accepts; `WWW-Authenticate` says more.",
    403: "The token is good, but not for this.",
    400: "The body is not what its Content-Type says: broken JSON, a broken form.",
    404: "The path, or the model that it names, does not exist.",
    405: "The path exists, but not for this method.",
    408: "The body did not come in time.",
    409: "What was asked does not fit the state that things are in.",
    413: "The body, or the images in it, are larger than this service accepts.",
    415: "The body is of a kind that this service does not read.",
    422: "The body was read, and a value in it breaks a rule; `pointer` says where.",
    429: "This caller has asked too often. `Retry-After` says in how many seconds to try again.",
    431: "The headers are too long; nothing of the request was looked at.",
    500: "A fault of the service. Its log has the cause under the request's id.",
    503: "The service is full, stopping, or lacks the model. Where it is full, `Retry-After` says in how many seconds "
    "to try again.",
    504: "The request waited too long for its turn.",
}


def document(service: Service, endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    types = [ProblemDetails, *dict.fromkeys(endpoint.answer for endpoint in endpoints if endpoint.answer)]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    refs = dict(zip(types, schemas, strict=True))
    tokens = service.config.auth is not None
    examples = _examples(service)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        asked = {"security": [{"token": [endpoint.scope]}]} if tokens and endpoint.scope else {}
        methods, operation = paths.setdefault(endpoint.path, {}), _operation(endpoint, refs, examples)
        if methods and endpoint.method == "POST":  # an id is for one operation alone
            operation["operationId"] += "_post"
        methods[endpoint.method.lower()] = operation | asked
    return {
        "openapi": "3.1.0",
        "info": _info(service),
        "paths": paths,
        "components": {"schemas": components, "headers": HEADERS} | ({"securitySchemes": SCHEMES} if tokens else {}),
    }


def _examples(service: Service) -> dict[str, str]:
    """Of the parts of a path: the default model; its version, where that stays."""
    name = service.models.default_name
    version = {"version": service.models.default.version} if service.asking is None else {}
    return {"model": name, "name": name, **version}


def _info(service: Service) -> dict[str, str]:
    if service.asking is not None:  # the models change, and this document does not
        return {
            "title": "eyas: image classification",
            "version": __version__,
            "description": "Several models, whose versions change: /models lists them, /model-info describes each.",
        }
    manifest = service.models.default.bundle.manifest
    return {
        "title": f"{manifest.name}: image classification",
        "version": manifest.version,
        "description": f"{len(manifest.classes)} classes, served by eyas {__version__}.",
    }


def page(spec: dict[str, Any]) -> str:
    """The document as HTML, without scripts or anything from elsewhere."""
    title = html.escape(spec["info"]["title"])
    operations = [
        _section(method.upper(), path, operation)
        for path, methods in spec["paths"].items()
        for method, operation in methods.items()
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f'<meta name="viewport" content="width=device-width"><h1>{title}</h1>'
        f"<p>Version {html.escape(spec['info']['version'])}. {html.escape(spec['info']['description'])} "
        '<a href="/openapi.json">OpenAPI document</a></p>'
        f"{''.join(operations)}{_errors()}{_schemas(spec)}</html>"
    )


def _operation(endpoint: Endpoint, refs: dict[Any, dict[str, Any]], examples: dict[str, str]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", endpoint.path.strip("/")).strip("_") + _suffix(endpoint.method),
        "summary": endpoint.summary,
        "responses": _responses(endpoint, refs),
    }
    parameters = [_path_parameter(name, examples.get(name)) for name in re.findall(r"\{(\w+)\}", endpoint.path)]
    parameters += [_query_parameter(name, says) for name, says in endpoint.query.items()]
    parameters += [_parameter("header", name, says, COUNT) for name, says in endpoint.headers.items()]
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body:
        operation["requestBody"] = {"required": True, "content": endpoint.body}
    return operation


def _suffix(method: str) -> str:
    return "" if method in ("GET", "POST") else f"_{method.lower()}"


def _responses(endpoint: Endpoint, refs: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    content = ({JSON: {"schema": refs[endpoint.answer]}} if endpoint.answer else {}) | endpoint.answers
    own = {name: {"description": says, "schema": COUNT} for name, says in endpoint.answer_headers.items()}
    responses: dict[str, Any] = {
        "200": {"description": "OK", "headers": _told("X-Request-ID") | own, "content": content}
    }
    for status in endpoint.errors:
        responses[str(status)] = {
            "description": KINDS[status][1],
            "headers": _told("X-Request-ID", *TOLD.get(status, ())),
            "content": {MEDIA_TYPE: {"schema": refs[ProblemDetails]}},
        }
    return responses


def _told(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _path_parameter(name: str, example: str | None) -> dict[str, Any]:
    made = {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    return made | ({"example": example} if example else {})


def _query_parameter(name: str, says: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(says, str):
        return _parameter("query", name, says, STRING)
    return _parameter(
        "query", name, says["description"], {key: value for key, value in says.items() if key != "description"}
    )


def _parameter(place: str, name: str, says: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "required": False, "description": says, "schema": schema}


def _section(method: str, path: str, operation: dict[str, Any]) -> str:
    body = operation.get("requestBody", {}).get("content", {})
    parts = [f"<h2><code>{method} {path}</code></h2><p>{html.escape(operation['summary'])}</p>"]
    if body:
        parts.append(f"<p>Takes {', '.join(f'<code>{kind}</code>' for kind in body)}.</p>")
        if path == PREDICT:
            parts.append(_pre(_example(path)))
        if schema := body.get(JSON, {}).get("schema"):
            parts.append(_folded("What the JSON may hold", schema))
    rows = "".join(
        f"<tr><td>{code}</td><td>{one['description']}</td></tr>" for code, one in operation["responses"].items()
    )
    return "".join(parts) + f"<table>{rows}</table>"


def _example(path: str) -> str:
    return (
        f"curl -F image=@image.png http://localhost:5000{path}\n"
        f"curl -H 'Content-Type: application/json' -d '{{\"data\": [[0.0, 0.5, …]]}}' http://localhost:5000{path}"
    )


def _errors() -> str:
    rows = "".join(
        f'<tr id="{name}"><td>{status}</td><td>{title}</td><td>{html.escape(MEANINGS[status])}</td></tr>'
        for status, (name, title) in KINDS.items()
    )
    return f"<h2>Errors</h2><p>All are <code>{MEDIA_TYPE}</code> (RFC 9457).</p><table>{rows}</table>"


def _schemas(spec: dict[str, Any]) -> str:
    return "<h2>Answers</h2>" + "".join(
        _folded(f"<code>{name}</code>", schema) for name, schema in spec["components"]["schemas"].items()
    )


def _folded(title: str, schema: dict[str, Any]) -> str:
    """A schema, which may be long, behind its title."""
    text = _pre(json.dumps(schema, indent=2, ensure_ascii=False))
    return f"<details><summary>{title}</summary>{text}</details>"


def _pre(text: str) -> str:
    return f"<pre>{html.escape(text)}</pre>"
