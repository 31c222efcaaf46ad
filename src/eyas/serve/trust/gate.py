"""Everything that a request passes, and every worker shares, put together from the configuration."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from eyas.core.schema import ServeConfig
from eyas.serve.http import Endpoint
from eyas.serve.http.application import Guard
from eyas.serve.trust.audit import open_audit
from eyas.serve.trust.bearer import BearerGuard
from eyas.serve.trust.browsers import Origins, headers, preflights
from eyas.serve.trust.keys import open_keys
from eyas.serve.trust.rate import Rate, RateGuard
from eyas.serve.trust.tls import read_pem, server_context
from eyas.serve.trust.tokens import Tokens


@dataclass(frozen=True)
class Gate:
    """Made before the workers are forked."""

    guards: Sequence[Guard]
    headers: dict[str, str]
    """With every answer."""
    origins: Origins | None
    tls: ssl.SSLContext | None
    pem: tuple[bytes, bytes] | None = None
    """Key and certificate, for gRPC's own TLS; None: none."""

    def extend(self, endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
        """The endpoints, with those that only browsers ask."""
        known = tuple(endpoints)
        return (*known, *preflights(known, self.origins.taken)) if self.origins else known


def open_gate(config: ServeConfig) -> Gate:
    """The gate of a service.

    Raises:
        ConfigError: keys, certificate or files that it names are not fit.
        MissingExtraError: a library that it needs is not installed.
    """
    open_audit(config.audit_file)
    guards: list[Guard] = []
    if config.auth:
        keys = open_keys(config.auth)
        guards.append(BearerGuard(Tokens(config.auth, keys), keys))
    if config.rate:
        guards.append(RateGuard(Rate(config.rate)))
    origins = Origins(config.cors.origins, config.user_header) if config.cors.origins else None
    context = server_context(config.tls) if config.tls else None
    return Gate(guards, headers(config), origins, context, read_pem(config.tls) if config.tls else None)


def with_refusals(endpoints: Iterable[Endpoint], config: ServeConfig) -> tuple[Endpoint, ...]:
    """The endpoints, with what the gate may answer in their place."""
    added = ((401, 403) if config.auth else ()) + ((429,) if config.rate else ())
    return tuple(
        replace(endpoint, errors=tuple(sorted({*endpoint.errors, *added}))) if endpoint.scope else endpoint
        for endpoint in endpoints
    )
