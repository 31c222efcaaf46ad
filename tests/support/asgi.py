"""Calling an ASGI app in this process, from tests that are plain functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from eyas.serve.http import Application


class Client:
    """httpx over an app; an unexpected exception is answered, as a server would, and not raised."""

    def __init__(self, app: Application, portal: BlockingPortal) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._portal = portal

    def get(self, path: str, **arguments: Any) -> httpx.Response:
        return self.request("GET", path, **arguments)

    def post(self, path: str, **arguments: Any) -> httpx.Response:
        return self.request("POST", path, **arguments)

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://test") as client:
                return await client.request(method, path, **arguments)

        return self._portal.call(send)


@contextmanager
def asgi_client(app: Application) -> Iterator[Client]:
    with start_blocking_portal() as portal:
        yield Client(app, portal)
