"""Where a service is, and the token that goes along: one rule for whoever asks it."""

from __future__ import annotations

import httpx

from eyas.core.errors import ConfigError

LAST_PORT = 65535


def service_url(given: str, what: str) -> httpx.URL:
    """The address of a service.

    Args:
        given: `http://HOST:PORT` or `https://…`; white space around it is left out.
        what: it is called, for the message.

    Raises:
        ConfigError: it is no such address, or holds a password.
    """
    rule = f"{what} must be http://HOST:PORT or https://…, a path allowed, nothing else"
    try:
        address = httpx.URL(given.strip())
    except httpx.InvalidURL as error:
        raise ConfigError(f"{rule}, got {given!r}: {error}") from error
    if address.userinfo:
        raise ConfigError(f"{rule}, got one with a user or password; a token is given as token, or in EYAS_TOKEN")
    more = address.query or address.fragment or (address.port or 0) > LAST_PORT
    if address.scheme not in ("http", "https") or not address.host or more:
        raise ConfigError(f"{rule}, got {given!r}")
    return address


def bearing(token: str) -> dict[str, str]:
    """The header of a token; none where it is empty. White space around it, as at the end of a file, is left out.

    Raises:
        ConfigError: it is none that a header can hold.
    """
    token = token.strip()
    if not all("!" <= character <= "~" for character in token):
        raise ConfigError("the token (or EYAS_TOKEN) must be printable ASCII without spaces, got other characters")
    return {"Authorization": f"Bearer {token}"} if token else {}
