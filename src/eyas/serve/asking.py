"""What an admin wants of the supervisor: asked by the worker that has the request, told when it is done or failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any, Literal

import msgspec

Action = Literal[
    "state",
    "live",
    "rollback",
    "reload",
    "rollout",
    "rollout start",
    "rollout pause",
    "rollout resume",
    "rollout advance",
    "rollout promote",
    "rollout rollback",
]


class Ask(msgspec.Struct, tag=True, frozen=True):
    """What is wanted."""

    number: int
    """Of the worker's questions."""
    action: Action
    model: str = ""
    version: str = ""
    by: str = ""
    """Who asks, for the repository's records."""
    why: str = ""
    """Of a rollout: for its history."""
    force: bool = False
    """A rollout is to be promoted whatever is known of it."""
    plan: dict[str, Any] = {}
    """Of a rollout that is to start."""


class Told(msgspec.Struct, tag=True, frozen=True):
    """What came of it."""

    number: int
    status: int
    """As of HTTP."""
    detail: str = ""
    """Where it came to nothing: why."""
    body: msgspec.Raw = msgspec.Raw(b"{}")


class Asking:
    """A worker's questions to its supervisor; used from one event loop.

    Args:
        send: carries one to it.
    """

    def __init__(self, send: Callable[[Ask], None]) -> None:
        self._send = send
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Told]] = {}

    async def ask(self, action: Action, model: str = "", version: str = "", by: str = "", **more: Any) -> Told:
        """What comes of it, however long that takes.

        Args:
            more: other fields of `Ask`.
        """
        number = next(self._numbers)
        future: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self._send(Ask(number, action, model, version, by, **more))
            return await future
        finally:
            del self._waiting[number]

    def told(self, answer: Told) -> None:
        """One has been answered."""
        future = self._waiting.get(answer.number)
        if future and not future.done():
            future.set_result(answer)
