"""What browsers are told: which pages' scripts may ask (CORS), and to guess, keep and frame nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence

from eyas.core.schema import ServeConfig
from eyas.serve.http import Answer, Endpoint, Request
from eyas.serve.http.application import header_block
from eyas.serve.page.policy import HEADERS, NOTHING

TAKEN = "Authorization, Content-Type, X-Request-ID, traceparent, tracestate, Inference-Header-Content-Length"
SHOWN = "X-Request-ID, X-Prediction-ID, Retry-After, WWW-Authenticate, Inference-Header-Content-Length"
PREFLIGHT_SECONDS = 600
YEAR = 365 * 24 * 3600


def headers(config: ServeConfig) -> dict[str, str]:
    """With every answer, unless it has its own word."""
    return HEADERS | ({"Strict-Transport-Security": f"max-age={YEAR}"} if config.tls else {})


def page_policy(style: str) -> str:
    """The Content-Security-Policy of a page whose one `<style>` is this, and which loads and runs nothing."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"{NOTHING}; style-src 'sha256-{digest}'"


class Origins:
    """The pages whose scripts may ask; others' browsers keep the answer from them.

    Args:
        origins: of these pages.
        user_header: the header that tells users apart.
    """

    def __init__(self, origins: Sequence[str], user_header: str) -> None:
        self.taken = f"{TAKEN}, {user_header}"
        """The headers that they may send."""
        vary, shown = ("Vary", "Origin"), ("Access-Control-Expose-Headers", SHOWN)
        self._told = {
            origin.encode(): header_block([vary, ("Access-Control-Allow-Origin", origin), shown]) for origin in origins
        }
        self._others = header_block([vary])

    def __call__(self, request: Request) -> bytes:
        """The headers that depend on the page."""
        return self._told.get(request.headers.get(b"origin", b""), self._others)


def preflights(endpoints: Iterable[Endpoint], taken: str) -> tuple[Endpoint, ...]:
    """For each path, what browsers ask before they let a script ask (CORS protocol, Fetch standard 3.2).

    Args:
        taken: the headers that a script may send.
    """
    methods: dict[str, list[str]] = {}
    for endpoint in endpoints:
        methods.setdefault(endpoint.path, []).append(endpoint.method)
    return tuple(_preflight(path, ", ".join(known), taken) for path, known in methods.items())


def _preflight(path: str, methods: str, taken: str) -> Endpoint:
    async def allow(request: Request) -> Answer:
        allowed = {
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": taken,
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        }
        return Answer(media_type="text/plain", headers=allowed)

    return Endpoint("OPTIONS", path, "", allow)
