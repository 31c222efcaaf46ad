"""Who did what to the service: one line of JSON for each action, on the logger `eyas.audit`.

Where no handler has been given to that logger, the lines go to standard error.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from eyas.serve.http import Request

log = logging.getLogger("eyas.audit")


def audit(request: Request, action: str, status: int, **facts: Any) -> None:
    """Write an action down, done or refused.

    Args:
        request: that asked for it.
        status: as of HTTP.
        facts: what it was about; None is left out.
    """
    if not log.handlers:
        log.addHandler(logging.StreamHandler())
        log.setLevel(logging.INFO)
        log.propagate = False
    client = request.scope.get("client")
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "action": action,
        "status": status,
        **{name: value for name, value in facts.items() if value is not None},
        "request_id": request.id,
        "subject": request.subject,
        "address": client[0] if client else None,
    }
    log.info("%s", json.dumps(line, ensure_ascii=False))
