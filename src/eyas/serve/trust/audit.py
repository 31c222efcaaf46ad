"""Who did what to the service, or was kept from it: a line of JSON each, on standard error or in a file of its own."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from eyas.core.errors import ConfigError
from eyas.serve.http import Problem, Request

TURNED_AWAY = frozenset({401, 403, 429})  # what guards answer, and nothing behind them
MOST_A_SECOND = 10
MOST_PATH = 200  # characters
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


class Refusals:
    """Who was turned away from what is for admins: a line each, up to `MOST_A_SECOND` in a process.

    What comes on top is counted, and told by the next line: a stranger fills no disk.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._second, self._said, self._left_out = 0, 0, 0

    def __call__(self, request: Request, problem: Problem) -> None:
        """A request is answered with a problem: write it down where guards did that, at an endpoint for admins."""
        if request.endpoint is None or request.endpoint.scope != "admin" or problem.status not in TURNED_AWAY:
            return
        second = int(self._clock())
        self._said = self._said + 1 if second == self._second else 1
        self._second = second
        if self._said > MOST_A_SECOND:
            self._left_out += 1
            return
        left_out = {"left_out": self._left_out} if self._left_out else {}
        asked = {"method": request.method, "path": request.path[:MOST_PATH]}
        try:
            audit(request, "refused", status=problem.status, **asked, detail=problem.detail, **left_out)
        except OSError:  # it is refused all the same
            logging.getLogger("eyas.serve").exception("a refusal is not written down")
        else:
            self._left_out = 0


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
