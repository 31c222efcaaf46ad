"""What the service says: lines for people, or JSON for machines, on standard error.

A record may carry facts beside its message: `log.info("…", extra={"facts": {…}})`. In JSON they are members of their
own.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from time import perf_counter
from typing import Any
from urllib.parse import quote

import msgspec

from eyas.serve.http import Request
from eyas.serve.http.trace import trace_of

log = logging.getLogger("eyas.serve.access")


def set_up(*, as_json: bool) -> None:
    """Send what eyas logs to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else logging.Formatter("%(message)s"))
    logger = logging.getLogger("eyas")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)


class JsonLines(logging.Formatter):
    """A record as one JSON object: `time` (ISO 8601, UTC), `level`, `logger`, `message`, its facts, its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        facts: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(facts, enc_hook=str).decode()


class AccessLog:
    """A line for every answer."""

    def began(self, request: Request) -> None:
        """Nothing is said before the answer."""

    def ended(self, request: Request, status: int) -> None:
        """Say who asked for what, and how it ended."""
        seconds = perf_counter() - request.began
        facts = {
            "request_id": request.id,
            "method": request.method,
            "path": request.path,
            "status": status,
            "seconds": round(seconds, 6),
            "client": request.address,
        }
        if request.subject:
            facts["subject"] = request.subject
        if request.model:
            facts["model"], facts["version"] = request.model
        if trace := trace_of(request):
            facts["trace_id"] = trace.trace_id
        said = f"{facts['client']} {request.method} {quote(request.path)} {status} {seconds * 1e3:.1f} ms {request.id}"
        log.info(said, extra={"facts": facts})

    def refused(self, reason: str, address: str) -> None:
        """Say whose connection was closed before a request was whole."""
        log.info(f"{address} refused: {reason}", extra={"facts": {"client": address, "refused": reason}})
