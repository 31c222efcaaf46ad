"""Addresses that hold secrets: a webhook's path, or a user and a password, are as good as a key."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, PlainSerializer, SerializationInfo
from pydantic_core import PydanticCustomError

SECRET = "secret"
"""The type of a validation error whose input goes into no message."""
WITH_SECRETS = {"secrets": True}
"""The context of a dump that is to have such addresses as they are."""


LEFT_OUT = "/…"
HOSTS = r"(([^:,\[\]]*|\[[^\]]*\])(:[0-9]*)?(,|$))+"
"""Of a database, one or more; PostgreSQL's driver tries one after the other."""


def shown(url: str) -> str:
    """As it may be logged, and kept with a run: scheme, host and port, with `…` for all that is left out."""
    address = urlsplit(url)
    host = address.netloc.rpartition("@")[2]
    bare = f"{address.scheme}://{host}"
    return url if url in (bare, f"{bare}/") else f"{bare}{LEFT_OUT}"


def shown_database(url: str) -> str:
    """A database's URL as it may be told: scheme, user, host, port and path, without password and options.

    Of one in which the password's end cannot be told, the scheme alone; a file's path as it is.
    """
    scheme, mark, _ = url.partition("://")
    if not mark:
        return url
    try:
        address = urlsplit(url)
    except ValueError:  # brackets that hold no address
        return f"{scheme}://…"
    login, at, hosts = address.netloc.rpartition("@")
    after = address.path + address.query + address.fragment
    if scheme.startswith("sqlite"):
        return url
    if "@" in after or not re.fullmatch(HOSTS, hosts):  # a /, ? or # cut it short, of the password or one too many
        return f"{scheme}://…"
    return f"{scheme}://{login.partition(':')[0]}{at}{hosts}{address.path}"


def is_left_out(url: str) -> bool:
    """Whether it is what `shown` left of an address: nobody can be reached there."""
    return url.endswith(LEFT_OUT)


def _web(url: str) -> str:
    """One of which a part is left out is taken, so that a run that holds it can be read; a service refuses it."""
    try:
        address = urlsplit(url)
        fits = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:  # a port that is no number, brackets that hold no address
        fits = False
    if not fits or not re.fullmatch(r"[!-~]+", url.removesuffix(LEFT_OUT)) or "#" in url:
        raise PydanticCustomError(SECRET, "Value error, be an http or https URL of ASCII without spaces and fragment")
    return url


def _dumped(url: str, info: SerializationInfo) -> str:
    return url if (info.context or {}).get("secrets") else shown(url)


SecretUrl = Annotated[str, AfterValidator(_web), PlainSerializer(_dumped, return_type=str)]
"""An http or https URL that is dumped without its secrets: configurations travel into runs, bundles and trackers."""
