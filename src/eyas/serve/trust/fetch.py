"""A small document from the URL that the configuration names; no URL of a request comes here."""

from __future__ import annotations

from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from eyas import __version__
from eyas.core.schema.trust import is_loopback

MAX_BYTES = 256 * 1024
SECONDS = 3.0
PIECE = 16 * 1024


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        """To nowhere: what is trusted is the address in the configuration."""


def fetch(url: str) -> bytes:
    """The document, within `SECONDS` (or the time of one more read) and `MAX_BYTES`.

    Raises:
        OSError, HTTPException: it does not come.
        ValueError: it is too long.
    """
    deadline = monotonic() + SECONDS
    head = {"Accept": "application/json", "User-Agent": f"eyas/{__version__}"}
    with opener(url).open(Request(url, headers=head), timeout=SECONDS) as response:
        content = bytearray()
        while piece := response.read1(PIECE):
            content += piece
            if len(content) > MAX_BYTES:
                raise ValueError(f"it must be at most {MAX_BYTES:,} bytes")
            if monotonic() > deadline:
                raise TimeoutError(f"it must come within {SECONDS:g} s")
    return bytes(content)


def opener(url: str) -> OpenerDirector:
    """Follows no redirect. A proxy in the environment has no way to this machine's own address."""
    here = is_loopback(urlsplit(url).hostname or "")
    return build_opener(_Stay, *([ProxyHandler({})] if here else []))
