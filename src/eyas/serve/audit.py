"""Who did what to the service: one line of JSON for each action, on the logger `eyas.audit`; see `eyas.serve.logs`."""

from __future__ import annotations

import logging
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
    client = request.scope.get("client")
    line = {
        "action": action,
        "status": status,
        **{name: value for name, value in facts.items() if value is not None},
        "request_id": request.id,
        "subject": request.subject,
        "address": client[0] if client else None,
    }
    log.info(f"{action} {status}", extra={"facts": line})
