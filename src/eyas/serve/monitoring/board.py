"""A text in memory that one process writes and the others read: what the monitor last said of itself.

    board = [ version: 8 bytes | length: 8 bytes | text ]

The version is odd while the text is being written. A reader takes the text only where the version is even, and the same
before and after.
"""

from __future__ import annotations

import mmap
from struct import Struct

SIZE = 1 << 20
TRIES = 100
_HEAD = Struct("QQ")


class Board:
    """Made before the processes are forked. Empty at first.

    Args:
        size: of the longest text, in bytes.
    """

    def __init__(self, size: int = SIZE) -> None:
        self._map = mmap.mmap(-1, _HEAD.size + size)
        self._size = size

    def write(self, text: bytes) -> bool:
        """Put this in the place of what was there; False, and nothing done, where it is too long."""
        if len(text) > self._size:
            return False
        version, _ = _HEAD.unpack_from(self._map)
        version += version % 2  # whoever wrote before may have been killed meanwhile
        _HEAD.pack_into(self._map, 0, version + 1, 0)
        self._map[_HEAD.size : _HEAD.size + len(text)] = text
        _HEAD.pack_into(self._map, 0, version + 1, len(text))
        _HEAD.pack_into(self._map, 0, version + 2, len(text))
        return True

    def read(self) -> bytes:
        """The text; empty where there is none yet, or its writer was killed in the middle of it."""
        for _ in range(TRIES):
            before, length = _HEAD.unpack_from(self._map)
            text = self._map[_HEAD.size : _HEAD.size + length]
            if before % 2 == 0 and _HEAD.unpack_from(self._map)[0] == before:
                return text
        return b""
