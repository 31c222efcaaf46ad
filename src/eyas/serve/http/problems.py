"""Every error the service answers with, in one shape: RFC 9457 `application/problem+json`.

raised in a handler ─► status, title, detail, pointer ─► the one `ProblemDetails`, with the request's id
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from eyas.core.errors import InputError, ServingError, UnsafeDataError
from eyas.serve.http.answer import Answer

MEDIA_TYPE = "application/problem+json"
# Status → (the last part of `type`, `title`). `/docs` explains each under that anchor.
KINDS: dict[int, tuple[str, str]] = {
    400: ("malformed-request", "Malformed request"),
    401: ("unauthorized", "Who asks?"),
    403: ("forbidden", "Not allowed"),
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "Method not allowed"),
    408: ("too-slow", "Request too slow"),
    409: ("conflict", "Not in this state"),
    413: ("too-large", "Content too large"),
    415: ("unsupported-media-type", "Unsupported media type"),
    422: ("invalid-input", "Invalid input"),
    429: ("too-many", "Too many requests"),
    431: ("long-headers", "Headers too long"),
    500: ("internal-error", "Internal error"),
    503: ("busy", "Not available now"),
    504: ("deadline", "Not answered in time"),
}


class ProblemDetails(msgspec.Struct, omit_defaults=True):
    """An error, as RFC 9457 has it."""

    type: str
    """A page that explains this kind of error."""
    title: str
    status: int
    detail: str
    """The rule, and what was found in its place."""
    instance: str
    """Path of the request."""
    request_id: str
    """Also in the header X-Request-ID."""
    pointer: str | None = None
    """Where in the JSON body, as a JSON pointer (RFC 6901)."""
    error: str | None = None
    """`detail` once more, where clients of the Open Inference Protocol look for it: under /v2."""


class Problem(ServingError):  # noqa: N818  (RFC 9457's own word)
    """An error with its HTTP status."""

    def __init__(
        self, status: int, detail: str, pointer: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.pointer = status, detail, pointer
        self.headers = dict(headers or {})

    def answer(self, path: str, request_id: str) -> Answer:
        """What is sent.

        Args:
            path, request_id: of the request.
        """
        name, title = KINDS[self.status]
        body = ProblemDetails(
            type=f"/docs#{name}",
            title=title,
            status=self.status,
            detail=self.detail,
            instance=path,
            request_id=request_id,
            pointer=self.pointer,
            error=self.detail if path == "/v2" or path.startswith("/v2/") else None,
        )
        return Answer(msgspec.json.encode(body), self.status, MEDIA_TYPE, self.headers)


def from_exception(error: Exception) -> Problem | None:
    """What an exception says to the client; None where the fault is ours."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, InputError):
        return Problem(422, str(error), error.pointer or None)
    if isinstance(error, UnsafeDataError):
        return Problem(413, str(error))
    return None


def unexpected(request_id: str) -> Problem:
    """A fault that is ours; the log says more."""
    return Problem(500, f"the server failed; its log has the cause under request id {request_id}")
