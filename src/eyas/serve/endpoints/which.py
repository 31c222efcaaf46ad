"""Which model a request is for, as its query says."""

from __future__ import annotations

from typing import Any

from eyas.serve.http import Request

WHICH: dict[str, str | dict[str, Any]] = {
    "model": "Name of the model; the default one's where it is left out.",
    "version": "Of the model; the live one where it is left out.",
}
"""Parameters of an endpoint, as `Endpoint.query` has them."""


def which(request: Request) -> tuple[str, str]:
    """Name and version of the model; empty where they are left out."""
    query = request.query
    return query.get("model", ""), query.get("version", "")
