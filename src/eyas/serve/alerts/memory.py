"""What was told, and what is still to be: it outlives the watcher where the monitor has a folder."""

from __future__ import annotations

import logging
from itertools import chain
from pathlib import Path

import msgspec

from eyas.core import io
from eyas.serve.alerts.events import Event, seconds_of

FILE = ".alerts.json"  # no model can have this name
log = logging.getLogger("eyas.serve")


class Memory(msgspec.Struct):
    """All of it."""

    standing: dict[str, Event] = {}
    """Conditions that were told of and go on, by `about`: the events that told of their beginning."""
    alarms: dict[str, str] = {}
    """The newest drift alarm that was told of, by model and version."""
    moves: dict[str, int] = {}
    """The step of the rollout that was told of last, by model."""
    waiting: dict[str, list[Event]] = {}
    """What each receiver has not got yet, by its key."""


class Kept:
    """The file of a memory: whole at any moment.

    Args:
        folder: of the monitor; None: nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = folder / FILE if folder else None
        self._saved = b""

    @property
    def lasting(self) -> bool:
        """Whether there is one."""
        return self._file is not None

    def load(self) -> Memory:
        """What an earlier process has left."""
        if self._file is None or not self._file.is_file():
            return Memory()
        try:
            memory = msgspec.json.decode(self._file.read_bytes(), type=Memory)
            for one in chain(memory.standing.values(), *memory.waiting.values()):
                seconds_of(one.time)
                seconds_of(one.since)
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            log.warning(f"what was to be told of alarms is lost, {self._file} cannot be read: {error}")
            return Memory()
        return memory

    def save(self, memory: Memory) -> None:
        """Write it, where it has changed.

        Raises:
            OSError: it cannot be written.
        """
        if self._file is None or (content := msgspec.json.encode(memory)) == self._saved:
            return
        io.write_bytes(self._file, content)
        self._saved = content
