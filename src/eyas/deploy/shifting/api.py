"""A cloud's API: JSON over HTTPS with a bearer token, and waiting for what it does behind its answers."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import Any, TypeVar

import httpx

from eyas.core.errors import ConfigError, ServiceError, ServingError
from eyas.core.retry_after import read_retry_after
from eyas.core.schema.trust import is_loopback
from eyas.deploy.shifting.tokens import Token

T = TypeVar("T")
Json = dict[str, Any]
TIMEOUT_SECONDS = 60.0
TRIES = 4
LONGEST_ASKED = 15.0  # seconds of a Retry-After that are waited: a bad version may have traffic meanwhile
BUSY = (429, 500, 502, 503, 504)
SHOWN = 400


class Api:
    """One cloud's API.

    Args:
        base: its address; http is refused but for this machine, since the token would be readable on its way.
        tokens: gives that of whoever deploys; asked again where the API no longer takes the one it gave, since a
            roll-out may outlive it.
        poll_seconds: between two looks at what it does.
        patience: seconds until something that has not come to be is a failure.

    Raises:
        ConfigError: the address breaks its rule, or there is no token.
    """

    def __init__(
        self, base: str, tokens: Callable[[], Token], *, poll_seconds: float = 2.0, patience: float = 600.0
    ) -> None:
        self._poll_seconds, self._patience, self._tokens = poll_seconds, patience, tokens
        self.changed = False
        """Whether a change was asked for that was not refused: it has been made, or may have been."""
        self._http = httpx.Client(base_url=_safe(base), headers=tokens().header(), timeout=TIMEOUT_SECONDS)

    def get(self, path: str) -> Json | None:
        """A resource; None where there is none. Tried again where the API is busy: it changes nothing.

        Raises:
            ServiceError: the API refuses, or does not answer.
        """
        for left in reversed(range(TRIES)):
            try:
                return self.send("GET", path)
            except ServiceError as error:
                if error.status == 404:
                    return None
                if not left or error.status not in (None, *BUSY):
                    raise
                asked = min(error.retry_after or 0.0, LONGEST_ASKED)
            sleep(max(self._poll_seconds, asked))
        raise AssertionError("unreachable")

    def send(self, method: str, path: str, body: Json | None = None) -> Json:
        """Ask for a change.

        Raises:
            ServiceError: the API refuses, or does not answer.
            ConfigError: the token has run out, and there is no other.
        """
        before, self.changed = self.changed, self.changed or method != "GET"
        response = self._request(method, path, body)
        if response.status_code == 401:
            self._http.headers.update(self._tokens().header())
            response = self._request(method, path, body)
        if 400 <= response.status_code < 500:
            self.changed = before
        found = _object(response)
        if response.is_error:
            said = _message(found) or response.text[:SHOWN]
            raise ServiceError(
                f"{method} {path} gave {response.status_code}: {said}",
                status=response.status_code,
                detail=said,
                retry_after=read_retry_after(response.headers.get("retry-after", "")),
            )
        return found

    def _request(self, method: str, path: str, body: Json | None) -> httpx.Response:
        try:
            return self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise ServiceError(f"{method} {path} got no answer: {error or type(error).__name__}") from error

    def wait_for(self, what: str, look: Callable[[], T | None]) -> T:
        """Look until something is there.

        Args:
            what: is waited for, for the message.
            look: gives None as long as it is not there, and raises where it never will be.

        Raises:
            ServingError: it has not come within the patience.
        """
        deadline = monotonic() + self._patience
        while (found := look()) is None:
            if monotonic() > deadline:
                raise ServingError(f"{what} has not come to be within {self._patience:g} s")
            sleep(self._poll_seconds)
        return found

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


def _safe(base: str) -> httpx.URL:
    try:
        url = httpx.URL(base)
    except httpx.InvalidURL as error:
        raise ConfigError(f"--endpoint must be an https address, got {base!r}") from error
    if url.scheme == "https" or (url.scheme == "http" and is_loopback(url.host)):
        return url
    raise ConfigError(f"--endpoint must be https, since the token goes along, got {base!r}")


def _object(response: httpx.Response) -> Json:
    try:
        value = response.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _message(found: Json) -> str:
    """Google's `error.message` and `message`, Azure's `error.message`."""
    error = found.get("error")
    said = error.get("message") if isinstance(error, dict) else found.get("message")
    return str(said or "")[:SHOWN]
