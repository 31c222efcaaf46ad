"""Every error the service answers with, in one shape: RFC 9457 `application/problem+json`.

raised in a handler ─► status, title, detail, pointer ─► the one `ProblemDetails`, with the request's id
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from eyas.core.errors import InputError, ServingError, UnsafeDataError

MEDIA_TYPE = "application/problem+json"
# Status → (the last part of `type`, `title`). `/docs` explains each under that anchor.
KINDS: dict[int, tuple[str, str]] = {
    400: ("malformed-request", "Malformed request"),
    404: ("not-found", "No such endpoint"),
    405: ("method-not-allowed", "Method not allowed"),
    413: ("too-large", "Content too large"),
    415: ("unsupported-media-type", "Unsupported media type"),
    422: ("invalid-input", "Invalid input"),
    500: ("internal-error", "Internal error"),
    503: ("busy", "Too many requests at once"),
}
log = logging.getLogger("eyas.serve")


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


class Problem(ServingError):  # noqa: N818  (RFC 9457's own word)
    """An error with its HTTP status."""

    def __init__(
        self, status: int, detail: str, pointer: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.pointer = status, detail, pointer
        self.headers = dict(headers or {})


def handlers(paths: Mapping[str, tuple[str, ...]]) -> dict[type[Exception], Callable[[Request, Exception], Response]]:
    """Starlette's exception handlers.

    Args:
        paths: the methods of each path, to say what would have worked.
    """
    return {
        HTTPException: lambda request, error: respond(request, _from_http(request, error, paths)),
        Problem: respond,
        InputError: lambda request, error: respond(request, _from_input(error)),
        UnsafeDataError: lambda request, error: respond(request, Problem(413, str(error))),
        ClientDisconnect: lambda request, _: respond(request, Problem(400, "the client left before the body's end")),
        Exception: lambda request, error: respond(request, _unexpected(request, error)),
    }


def respond(request: Request, error: Exception) -> Response:
    """The answer to a `Problem`."""
    assert isinstance(error, Problem)
    name, title = KINDS[error.status]
    request_id = request.scope["state"]["request_id"]
    body = ProblemDetails(
        type=f"/docs#{name}",
        title=title,
        status=error.status,
        detail=error.detail,
        instance=request.url.path,
        request_id=request_id,
        pointer=error.pointer,
    )
    # The answer to an unexpected exception leaves outside all middleware: the id is set here too.
    headers = {**error.headers, "X-Request-ID": request_id}
    return Response(msgspec.json.encode(body), error.status, headers, MEDIA_TYPE)


def _from_http(request: Request, error: Exception, paths: Mapping[str, tuple[str, ...]]) -> Problem:
    """Starlette's own errors: no route, a wrong method, a malformed form."""
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 404:
        near = difflib.get_close_matches(path, paths, n=1)
        hint = f"did you mean {near[0]}?" if near else "/docs lists what there is"
        return Problem(404, f"there is no endpoint {path}; {hint}")
    if error.status_code == 405:
        allowed = ", ".join(paths.get(path, ()))
        return Problem(405, f"{path} takes {allowed}, got {request.method}", headers=error.headers)
    status = error.status_code if error.status_code in KINDS else 400
    return Problem(status, str(error.detail), headers=error.headers)


def _from_input(error: Exception) -> Problem:
    assert isinstance(error, InputError)
    return Problem(422, str(error), error.pointer or None)


def _unexpected(request: Request, error: Exception) -> Problem:
    """Our own fault: the log has the traceback, the answer only the id to look for."""
    request_id = request.scope["state"]["request_id"]
    log.error("request %s failed: %r", request_id, error)  # the server logs the traceback
    return Problem(500, f"the server failed; its log has the cause under request id {request_id}")
