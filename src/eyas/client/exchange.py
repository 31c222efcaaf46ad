"""A request and its answer, tried again where that may help: every decision, and none of the waiting.

exchange ─ yields what to do next ─► Client or AsyncClient does it ─ sends back what came of it ─► exchange … Reply
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from time import monotonic
from typing import TypeAlias, TypeVar

import httpx

from eyas.client.patience import Patience
from eyas.core.errors import ServiceError
from eyas.core.retry_after import read_retry_after

T = TypeVar("T")
OVERLOADED = (429, 503)  # these say in Retry-After when to come again
TRANSIENT = (*OVERLOADED, 502, 504)  # a proxy's words for a service that is just starting or ending
LARGE = 1_000_000  # bytes of a body that a service may refuse while it is sent: httpx then may not see the refusal
# A connection that was not made, or broke; not a deadline, after which no time is left.
BROKEN = (httpx.NetworkError, httpx.ConnectTimeout, httpx.RemoteProtocolError)


@dataclass(frozen=True)
class Reply:
    """A response, read to its end."""

    status: int
    headers: httpx.Headers
    body: bytes
    where: str
    """Method and URL of the request."""

    @property
    def retry_after(self) -> float | None:
        """Seconds."""
        return read_retry_after(self.headers.get("retry-after", "")) if self.status in OVERLOADED else None


@dataclass(frozen=True)
class Send:
    """To be sent, and read to its end before `deadline`."""

    request: httpx.Request
    deadline: float
    """As `time.monotonic` has it."""

    @property
    def seconds(self) -> float:
        """That are left."""
        return self.deadline - monotonic()

    def reply(self, response: httpx.Response, body: bytes) -> Reply:
        """What came."""
        return Reply(response.status_code, response.headers, body, where(self.request))

    def late(self) -> httpx.ReadTimeout:
        """It was not read to its end in time."""
        return httpx.ReadTimeout("the deadline has passed", request=self.request)


Outcome: TypeAlias = Reply | httpx.RequestError | None
"""Of a Send; None: of a pause."""
Steps: TypeAlias = Generator[Send | float, Outcome, T]
"""Sends, and pauses in seconds, that lead to a T."""


def exchange(request: httpx.Request, patience: Patience) -> Steps[Reply]:
    """Send a request until it is answered, or trying again cannot help.

    Returns:
        The last answer, whatever its status.

    Raises:
        ServiceError: no answer came.
    """
    deadline = monotonic() + patience.timeout
    tried = 0
    while True:
        left = max(0.001, deadline - monotonic())
        request.extensions["timeout"] = httpx.Timeout(left, connect=min(left, patience.connect_timeout)).as_dict()
        outcome = yield Send(request, deadline)
        tried += 1
        pause = patience.pause(tried, outcome.retry_after if isinstance(outcome, Reply) else None)
        if tried == patience.tries or not _transient(outcome) or monotonic() + pause >= deadline:
            break
        yield pause
    if isinstance(outcome, Reply):
        return outcome
    raise ServiceError(f"{where(request)}: {_why(outcome, request, patience)}{_tries(tried)}") from outcome


def where(request: httpx.Request) -> str:
    """What to call a request."""
    return f"{request.method} {request.url}"


def _transient(outcome: Outcome) -> bool:
    return outcome.status in TRANSIENT if isinstance(outcome, Reply) else isinstance(outcome, BROKEN)


def _why(error: httpx.RequestError | None, request: httpx.Request, patience: Patience) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {min(patience.connect_timeout, patience.timeout):g} s"
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {patience.timeout:g} s"
    if isinstance(error, httpx.ConnectError):
        return f"no answer: {error}; does a service run there? `eyas serve BUNDLE` starts one"
    size = int(request.headers.get("content-length", 0))
    hint = f"; so end bodies above a service's limit: this one has {size:,} bytes" if size > LARGE else ""
    return f"no answer: {str(error) or 'the connection broke'}{hint}"


def _tries(tried: int) -> str:
    return f" (tried {tried} times)" if tried > 1 else ""
