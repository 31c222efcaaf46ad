"""What a tracker's library must do for the sender."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from eyas.track.delivery.spool import Delivered, Record, Spool

END = b"end"
"""On the sender's standard input: nothing more comes. Its parent's death says the same."""
# Seconds that training's end waits for the sender without hearing from it.
STARTING = 30.0
"""While the tracker's library is imported: work on this machine."""
LOCAL = 60.0
"""For a store on this machine. MLflow's first run makes its database, 5 s here."""
REMOTE = 30.0
"""For a server: above the clients' own limits, which say sooner what is wrong (MLflow 5 s a request, W&B 10 s)."""
SLOWEST = 250_000
"""Bytes a second that a store must take in of files, beyond that."""

Status = Literal["FINISHED", "KILLED", "FAILED"]


class Sink(ABC):
    """One run at one store of a tracker. Made in the sender's process; its import of the library may take seconds."""

    tracker: ClassVar[str]
    keeps_at_once: ClassVar[bool]
    """Whether what `send` returned from is safe; else it is safe only after `close`."""
    local: bool
    """Whether the store is on this machine."""
    delivered: Delivered
    status: Status
    """How the run ended as far as was sent; FAILED while no end was."""
    refused: str | None
    """Why the store will never take something; the last of such reasons."""

    def __init__(self, spool: Spool, *, local: bool) -> None:
        self.spool = spool
        self.local = local
        self.delivered = Delivered(spool, self.tracker, self.store(spool))
        self.status, self.refused = "FAILED", None
        for _, record in spool.records()[: self.delivered.lines]:
            self._note(record)

    def send(self, records: list[tuple[int, Record]]) -> None:
        """Deliver the records with the numbers of their lines. Sending one twice must leave the store as once."""
        self.deliver(records)
        for _, record in records:
            self._note(record)

    @staticmethod
    @abstractmethod
    def store(spool: Spool) -> str:
        """Where this process would send the run, without secrets. Needs no library."""

    @abstractmethod
    def connect(self) -> None:
        """Find or make the run. Sets `delivered.lines` to 0 where the store knows no such run."""

    @abstractmethod
    def deliver(self, records: list[tuple[int, Record]]) -> None:
        """`send` itself."""

    @abstractmethod
    def close(self) -> None:
        """Nothing more comes from this sender: tell the store how the run stands."""

    def _note(self, record: Record) -> None:
        if record["kind"] == "end":
            self.status = record["status"]
        elif record["kind"] in ("start", "resume"):
            self.status = "FAILED"


def one_line(error: BaseException) -> str:
    """The error in at most 200 characters, without the password in an address.

    The last words are kept: urllib3's chain ends with the cause.
    """
    words = re.sub(r"//[^/@\s]+@", "//", " ".join(str(error).split())) or type(error).__name__
    return words if len(words) <= 200 else f"{words[:80]} … {words[-100:]}"
