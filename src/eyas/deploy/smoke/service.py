"""A live service, asked over one connection that is kept, each answer with its status and time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic, perf_counter, sleep
from types import TracebackType
from typing import Any, Self

import httpx

from eyas import __version__
from eyas.client.address import bearing, service_url
from eyas.core.errors import ConfigError, ServiceError

POLL_SECONDS = 0.2
TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Answered:
    """What came back."""

    status: int
    media_type: str
    body: bytes
    seconds: float
    """From sending to the last byte."""

    def json(self) -> dict[str, Any]:
        """The JSON object; empty where it is none."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


class Service:
    """A service by its address; to be closed, or used as a context.

    Args:
        url: `https://HOST[:PORT][/PATH]`, or http.
        token: sent as a bearer where it is not empty; it is never part of a message.
        headers: for every request on top.
        timeout: seconds for one answer.

    Raises:
        ConfigError: an argument breaks its rule.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self.url = url.strip().rstrip("/")
        sent = {"User-Agent": f"eyas-smoke/{__version__}", **(headers or {}), **bearing(token)}
        address = service_url(self.url, "URL")
        try:
            self._http = httpx.Client(base_url=address, headers=sent, timeout=timeout)
        except (ValueError, TypeError) as error:
            raise ConfigError("--header must be printable ASCII, such as 'X-Eyas-Track: canary'") from error

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Answered:
        """Ask.

        Raises:
            ServiceError: no answer came.
        """
        return self._send("GET", path, params=params)

    def post(self, path: str, content: bytes, media_type: str, params: Mapping[str, str] | None = None) -> Answered:
        """Send `content`.

        Raises:
            ServiceError: no answer came.
        """
        return self._send("POST", path, params=params, content=content, headers={"Content-Type": media_type})

    def wait_until_ready(self, seconds: float) -> bool:
        """Ask `/readyz` until it is a 200; False where it never was."""
        deadline = monotonic() + seconds
        while True:
            try:
                if self.get("/readyz").status == 200:
                    return True
            except ServiceError:
                pass  # nobody listens yet
            if monotonic() > deadline:
                return False
            sleep(POLL_SECONDS)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, method: str, path: str, **body: Any) -> Answered:
        started = perf_counter()
        try:
            response = self._http.request(method, path, **body)
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            raise ServiceError(f"{method} {self.url}{path} got no answer: {said}") from error
        media_type = response.headers.get("content-type", "").partition(";")[0].strip()
        return Answered(response.status_code, media_type, response.content, perf_counter() - started)
