"""Who did what to the service: one line of JSON an action, on standard error or in a file of its own."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from eyas.core.errors import ConfigError
from eyas.serve.http import Request

log = logging.getLogger("eyas.audit")


def audit(request: Request, action: str, **facts: object) -> None:
    """Write an action down.

    Args:
        request: that asked for it.
        action: a word for it, such as `live`.
        facts: what of; values that JSON does not know are written as text.

    Raises:
        OSError: it cannot be written; the action has been done by then.
    """
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "action": action,
        "subject": request.subject,
        "address": request.address,
        "request_id": request.id,
        **facts,
    }
    log.info(json.dumps(line, default=str))


def open_audit(file: str | None) -> None:
    """Where the lines go from now on, in this process and those that it forks; standard error where it is None.

    Raises:
        ConfigError: the file cannot be written.
    """
    handler = _Lines(Path(file) if file else None)
    try:
        handler.write("")
    except OSError as error:
        raise ConfigError(f"cannot write serve.audit_file={file}: {error.strerror}") from error
    log.handlers = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False  # what is said here is said once


class _Lines(logging.Handler):
    """The messages as they are. The file is opened for each: it may be moved away, and actions are few."""

    def __init__(self, file: Path | None) -> None:
        super().__init__()
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        """Write one down, in one piece."""
        self.write(record.getMessage() + "\n")

    def write(self, text: str) -> None:
        """At the end of the file, which only its owner may read."""
        if self._file is None:
            sys.stderr.write(text)
            sys.stderr.flush()
            return
        handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, text.encode())
        finally:
            os.close(handle)
