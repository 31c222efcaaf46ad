"""The keys of `serve` that say whom the service trusts."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from eyas.core.schema.section import Section

SECRET_BYTES = 32
"""Of a secret, at least (RFC 7518, 3.2): as long as the hash."""
ORIGIN = re.compile(r"https?://[^/\s?#@]+")


def _jwks(place: str) -> str:
    if "://" not in place:
        return place
    url = urlsplit(place)
    if url.hostname and (url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname))):
        return place
    raise ValueError("be a file or an https URL (http to this machine alone)")


def _origin(origin: str) -> str:
    if ORIGIN.fullmatch(origin):
        return origin.lower()
    raise ValueError("be an origin, such as https://app.example.com: a scheme and a host, without a path")


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise ValueError("be an address or a network, such as 10.0.0.7 or 10.0.0.0/8") from None
    return text


def is_loopback(host: str) -> bool:
    """Whether this is a name or an address of this machine that no other can reach."""
    return host == "localhost" or is_loopback_address(host)


def is_loopback_address(text: str) -> bool:
    """Whether this is such an address; a name is none, whatever it is."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


class AuthConfig(Section):
    """Who may ask: bearer tokens (RFC 6750), JSON Web Tokens that `eyas token` or another issuer signs.

    A token tells `exp`, `iss`, `aud`, `sub`, and in `scope` or `scopes` what it is for: predict, feedback, admin.
    """

    algorithm: Literal["HS256", "RS256", "ES256"] = "HS256"
    """The only one that is accepted: HS256 by a shared secret; RS256 or ES256 by the issuer's public keys."""
    secret_file: str | None = None
    """HS256: a file that holds the secret, at least 32 bytes. Unset: the environment's EYAS_AUTH_SECRET."""
    jwks: Annotated[str, AfterValidator(_jwks)] | None = None
    """RS256, ES256: the issuer's public keys as a JWK set (RFC 7517): a file, or an https URL."""
    jwks_grace_seconds: Annotated[float, Field(ge=0)] = 600.0
    """How long a key that has left the set is accepted still."""
    issuer: Annotated[str, Field(min_length=1)] = "eyas"
    """`iss` of every token."""
    audience: Annotated[str, Field(min_length=1)] = "eyas"
    """`aud` of every token, or one of several."""
    leeway_seconds: Annotated[float, Field(ge=0, le=300)] = 10.0
    """How far the issuer's clock may differ from ours."""

    @model_validator(mode="after")
    def _keys_fit(self) -> Self:
        if self.algorithm == "HS256" and self.jwks:
            raise ValueError("have algorithm RS256 or ES256 where it has jwks: HS256 goes by a secret")
        if self.algorithm != "HS256" and (self.secret_file or not self.jwks):
            raise ValueError(f"have jwks, and no secret_file, where it has algorithm {self.algorithm}")
        return self


class RateConfig(Section):
    """How often one subject of a token, or one client address where there are no tokens, may ask; else 429."""

    per_second: PositiveFloat = 10.0
    """Requests a second in the long run, over all workers."""
    burst: PositiveInt = 20
    """Requests at once, by one that was quiet before."""


class CorsConfig(Section):
    """Which web pages' scripts may ask, from their reader's browser."""

    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = ()
    """The pages' origins, such as `[https://app.example.com]`."""


class TlsConfig(Section):
    """HTTPS, and gRPC over TLS, from TLS 1.2 on."""

    certificate: str
    """A PEM file: the certificate, then those that lead to its root."""
    key: str
    """A PEM file: its private key, not encrypted."""


Network = Annotated[str, AfterValidator(_network)]
