"""A service that is full says so at once, instead of taking in bodies that it cannot work on yet."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from eyas.serve.problems import Problem, respond

MAX_REQUESTS = 64  # at once: with the largest bodies, 64 × 32 MB wait in memory
RETRY_SECONDS = 1
ALWAYS = "/livez"  # a full service is alive: whoever asks must not restart it


class Capacity:
    """ASGI middleware: answers 503 with Retry-After while `MAX_REQUESTS` are at hand."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.at_hand = 0  # touched by the event loop's thread alone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["path"] == ALWAYS:
            await self.app(scope, receive, send)
        elif self.at_hand >= MAX_REQUESTS:
            full = Problem(
                503, f"{MAX_REQUESTS} requests are at hand already", headers={"Retry-After": str(RETRY_SECONDS)}
            )
            await respond(Request(scope), full)(scope, receive, send)
        else:
            self.at_hand += 1
            try:
                await self.app(scope, receive, send)
            finally:
                self.at_hand -= 1
