"""The way from the workers to the watcher: whole messages, dropped rather than waited for.

The workers write to one end of a pair of sockets, the watcher reads from the other. The supervisor holds both, so that
what is on its way is not lost with any process. A message arrives whole or not at all, whoever else sends.
"""

from __future__ import annotations

import socket
from collections import deque

LONGEST = 256_000  # bytes of a message; what Linux lets through by default is more
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
            return self.reading.recv(LONGEST) or None
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
        """Send as much as the way takes now; gives the rows that had to be dropped: of the oldest messages, for want of
        room, or of this one, where it is too long.

        Args:
            rows: that the message tells of.
        """
        if len(message) > LONGEST:
            return rows
        self._held.append((message, rows))
        self._bytes += len(message)
        dropped = self.push()
        while self._bytes > HELD:
            oldest, lost = self._held.popleft()
            self._bytes -= len(oldest)
            dropped += lost
        return dropped

    @property
    def empty(self) -> bool:
        """Whether nothing is held."""
        return not self._held

    def push(self) -> int:
        """Send what is held, as far as the way takes it; gives the rows of messages that it refuses."""
        dropped = 0
        while self._held:
            message, rows = self._held[0]
            try:
                self._writing.send(message)
            except BlockingIOError:
                break
            except OSError:  # this system's limit is lower, or nobody reads any more
                dropped += rows
            self._held.popleft()
            self._bytes -= len(message)
        return dropped
