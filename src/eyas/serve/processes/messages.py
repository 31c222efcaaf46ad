"""What the supervisor and a worker say to each other, over a pipe that each worker has of its own."""

from __future__ import annotations

from contextlib import suppress
from multiprocessing.connection import Connection

import msgspec


class Ready(msgspec.Struct, tag=True, frozen=True):
    """The worker has proved its models and listens."""

    models: tuple[str, ...]
    """How each of them runs, for the log."""


class Failed(msgspec.Struct, tag=True, frozen=True):
    """The worker cannot serve, and will not be able to if it is started again."""

    kind: str
    """Of `eyas.core.errors`."""
    detail: str


Message = Ready | Failed
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
