"""Vertex AI's environment variables: what they say where the configuration says nothing.

https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements#aip-variables
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from eyas.core.errors import ConfigError
from eyas.core.schema import ServeConfig
from eyas.core.schema.serve import ROUTE

PORT, STORAGE = "AIP_HTTP_PORT", "AIP_STORAGE_URI"
ROUTES = {"AIP_HEALTH_ROUTE": "vertex_health_route", "AIP_PREDICT_ROUTE": "vertex_predict_route"}


def with_environment(config: ServeConfig, environ: Mapping[str, str]) -> ServeConfig:
    """The configuration, with what the environment says of keys that it leaves unset.

    Raises:
        ConfigError: a variable that is needed breaks its rule.
    """
    said: dict[str, object] = {}
    if "port" not in config.model_fields_set and (port := environ.get(PORT)):
        said["port"] = _port(port)
    for name, key in ROUTES.items():
        if key not in config.model_fields_set and (route := environ.get(name)):
            if not re.fullmatch(ROUTE, route):
                raise ConfigError(f"{name} must be a path that begins with /, got {route!r}")
            said[key] = route
    return config.model_copy(update=said)


def stored_bundle(environ: Mapping[str, str]) -> Path | None:
    """The bundle that AIP_STORAGE_URI names; None where it is not set.

    Raises:
        ConfigError: it is not on this machine: eyas fetches nothing.
    """
    if not (uri := environ.get(STORAGE)):
        return None
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path))
    if parts.scheme:
        raise ConfigError(
            f"{STORAGE} must be a path on this machine or a file: URI, got {uri}; "
            "copy the bundle into the image, and name it: eyas serve BUNDLE"
        )
    return Path(uri)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise ConfigError(f"{PORT} must be a port from 1 to 65535, got {text!r}")
    return int(text)
