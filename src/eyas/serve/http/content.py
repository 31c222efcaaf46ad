"""The body of one request on a connection, while it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

HIGH = 256 * 1024  # bytes that have come and nobody has taken; then the connection is not read from


def _nothing() -> None:
    pass


class Content:
    """Filled by the connection, taken from by the request's handler.

    Args:
        taken: called when something has been taken.
    """

    __slots__ = ("_dropped", "_pieces", "_size", "_taken", "_waiter", "complete", "lost", "wanted")

    def __init__(self, taken: Callable[[], None] = _nothing) -> None:
        self._taken = taken
        self.wanted: Callable[[], None] = _nothing
        """Called, once, before more of it is waited for."""
        self._pieces: list[bytes] = []
        self._size = 0
        self._dropped = False
        self._waiter: asyncio.Future[None] | None = None
        self.complete = False
        """Whether all of it has come."""
        self.lost = False
        """Whether the client has gone."""

    @property
    def full(self) -> bool:
        """Whether more should not come now."""
        return self._size > HIGH

    @property
    def whole(self) -> bytes | None:
        """The body, where it is all there."""
        if not self.complete:
            return None
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    async def piece(self) -> bytes:
        """What has come since the last call, once there is something; empty at the end.

        Raises:
            ConnectionError: the client has left before.
        """
        while not self._pieces:
            if self.complete:
                return b""
            if self.lost:
                raise ConnectionAbortedError
            self.wanted()
            self.wanted = _nothing
            await self._news()
        piece = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        self._taken()
        return piece

    async def left(self) -> None:
        """Wait until the client has gone."""
        while not self.lost:
            await self._news()

    def add(self, piece: bytes) -> None:
        """More of it has come."""
        if not self._dropped:
            self._pieces.append(piece)
            self._size += len(piece)
            self._wake()

    def end(self) -> None:
        """It has come to its end."""
        self.complete = True
        self._wake()

    def lose(self) -> None:
        """The client has gone."""
        self.lost = True
        self._wake()

    def drop(self) -> None:
        """Nobody takes what is there, or comes yet."""
        self._dropped = True
        self._pieces.clear()
        self._size = 0

    async def _news(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
