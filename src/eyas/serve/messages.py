"""What the supervisor and a worker say to each other, over a pipe that each worker has of its own.

worker ─ Ready │ Failed ─► supervisor
supervisor ─ Prepare ─► every worker ─ Prepared │ Refused ─► supervisor ─ Activate ─► every worker ─ Activated ─►
watcher ─ Decided ─► supervisor                   a rollout goes on or back
worker ─ Ask ─► supervisor ─ Told ─► worker          an admin's wish, from whichever worker was asked
"""

from __future__ import annotations

from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from eyas.serve.asking import Ask, Told
from eyas.serve.split import Split


class Version(msgspec.Struct, frozen=True):
    """A bundle as it lies on the disk now. Another stamp is another content."""

    model: str
    """What it is served as."""
    version: str
    path: str
    stamp: str = ""


class Served(msgspec.Struct, frozen=True):
    """A model of the service."""

    model: str
    live: str
    """What answers where a request names no version."""
    versions: tuple[Version, ...]
    """All that are in memory."""
    split: Split | None = None
    """Where a challenger has a part of the requests."""


Table = tuple[Served, ...]
"""All that a service has in memory."""


class Ready(msgspec.Struct, tag=True, frozen=True):
    """The worker has proved its models and listens."""

    models: tuple[str, ...]
    """How each of them runs, for the log."""


class Failed(msgspec.Struct, tag=True, frozen=True):
    """The worker cannot serve, and will not be able to if it is started again."""

    kind: str
    """Of `eyas.core.errors`."""
    detail: str


class Prepare(msgspec.Struct, tag=True, frozen=True):
    """Load a version and prove it, beside what serves."""

    version: Version


class Prepared(msgspec.Struct, tag=True, frozen=True):
    """The version could serve from now on."""

    version: Version
    pace: str = ""
    """How it runs in this worker, for the log."""


class Refused(msgspec.Struct, tag=True, frozen=True):
    """The version cannot serve."""

    version: Version
    reason: str


class Activate(msgspec.Struct, tag=True, frozen=True):
    """Serve this, all of it loaded or prepared before, and let go of everything else."""

    number: int
    table: Table


class Activated(msgspec.Struct, tag=True, frozen=True):
    """It is so, for every request from now on."""

    number: int


class Decided(msgspec.Struct, tag=True, frozen=True):
    """The watcher's verdict on a rollout."""

    model: str
    number: int
    step: int
    """That it was judged at."""
    action: str
    """`advance`, `promote` or `roll back`."""
    stage: int | None
    why: tuple[str, ...]
    evidence: dict[str, Any]


Message = Ready | Failed | Prepare | Prepared | Refused | Activate | Activated | Ask | Told | Decided
_decoder = msgspec.json.Decoder(Message)


def send(pipe: Connection, message: Message) -> None:
    """Say something; who has gone does not hear it."""
    with suppress(BrokenPipeError, ConnectionResetError):
        pipe.send_bytes(msgspec.json.encode(message))


def receive(pipe: Connection) -> Message | None:
    """What was said; None where the other has gone."""
    try:
        message: Message = _decoder.decode(pipe.recv_bytes())
    except (EOFError, OSError):
        return None
    return message
