"""The way from the workers to the watcher: whole messages, dropped rather than waited for.

The workers write to one end of a pair of sockets, the watcher reads from the other. The supervisor holds both, so that
what is on its way is not lost with any process. A message arrives whole or not at all, whoever else sends.
"""

from __future__ import annotations

import socket
from collections import deque
from contextlib import suppress

LONGEST = 60_000  # bytes of a message
BUFFER = 4_000_000  # bytes on the way, as far as the system allows
HELD = 4_000_000  # bytes that a worker keeps while the way is full


class Channel:
    """Made before the processes are forked."""

    def __init__(self) -> None:
        self.reading, self.writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self.reading, self.writing):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)

    def receive(self) -> bytes | None:
        """The next message; None where there is none now."""
        try:
            return self.reading.recv(2 * LONGEST) or None
        except BlockingIOError:
            return None

    def close(self) -> None:
        """Both ends, in this process."""
        self.reading.close()
        self.writing.close()


class Outbox:
    """A worker's messages, in order; used by one thread at a time."""

    def __init__(self, writing: socket.socket) -> None:
        self._writing = writing
        self._held: deque[tuple[bytes, int]] = deque()
        self._bytes = 0

    def send(self, message: bytes, rows: int) -> int:
        """Send as much as the way takes now; gives the rows of older messages that had to be dropped for want of room.

        Args:
            rows: that the message tells of.
        """
        self._held.append((message, rows))
        self._bytes += len(message)
        self.push()
        dropped = 0
        while self._bytes > HELD:
            oldest, lost = self._held.popleft()
            self._bytes -= len(oldest)
            dropped += lost
        return dropped

    @property
    def empty(self) -> bool:
        """Whether nothing is held."""
        return not self._held

    def push(self) -> None:
        """Send what is held, as far as the way takes it."""
        with suppress(BlockingIOError):
            while self._held:
                self._writing.send(self._held[0][0])
                self._bytes -= len(self._held.popleft()[0])
