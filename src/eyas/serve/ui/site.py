"""`/` and `/ui/…`: the page's files, and what the page must know of the service."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from eyas import __version__
from eyas.serve.http import Answer, Endpoint, Handler, Problem, Request, json_answer
from eyas.serve.page import page_endpoints
from eyas.serve.service import Service
from eyas.serve.trust.near import require_near

FOLDER = Path(__file__).parent / "page"
SERVICE = "/ui/service.json"


class Facts(msgspec.Struct):
    """What the page must know, so that it asks for nothing that is not there."""

    version: str
    """Of eyas."""
    auth: bool
    """The service asks for tokens."""
    near: bool
    """Without tokens: this browser is on the machine that the service runs on, and may ask what others may not."""
    admin_port: int | None
    """The only one on which /admin answers, where that is another than this."""
    keeps_images: bool
    endpoints: dict[str, str | None]
    """`GET /monitor` and the like, each with the scope that it asks for."""


def endpoints(service: Service, table: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """None, where `serve.ui` is off.

    Args:
        table: what else the service can be asked.
    """
    if not service.config.ui:
        return ()
    return (*page_endpoints(FOLDER), Endpoint("GET", SERVICE, "", _telling(service, tuple(table))))


def _telling(service: Service, table: tuple[Endpoint, ...]) -> Handler:
    config = service.config
    known: dict[str, str | None] = {f"{one.method} {one.path}": one.scope for one in table}
    keeps = bool(config.monitor and config.monitor.keep_images)

    async def tell(request: Request) -> Answer:
        elsewhere = config.admin_port if request.port != config.admin_port else None
        auth = config.auth is not None
        return json_answer(Facts(__version__, auth, auth or _is_near(request), elsewhere, keeps, known))

    return tell


def _is_near(request: Request) -> bool:
    try:
        require_near(request)
    except Problem:
        return False
    return True
