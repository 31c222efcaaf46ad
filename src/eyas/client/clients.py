"""The two clients: they send and wait, and leave the rest to `calls` and `exchange`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import closing
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from eyas import __version__
from eyas.client.address import bearing, service_url
from eyas.client.answer import Answer
from eyas.client.calls import Calls
from eyas.client.exchange import Outcome, Send, Steps
from eyas.client.images import Images, read_images
from eyas.client.patience import Patience

T = TypeVar("T")


class Client:
    """A running service. Connections are kept and shared; several threads may use one client at once.

        with eyas.Client("http://localhost:5000") as client:
            for image in client.predict(["cat.jpg", "dog.jpg"]):
                print(image.label, image.confidence)

    Args:
        url: where the service is, for example `http://localhost:5000`; EYAS_URL of the environment where left out.
        token: sent as a bearer; EYAS_TOKEN of the environment where left out, none where empty.
        timeout: seconds for a whole call: all its tries, and the waits between them.
        connect_timeout: seconds for a connection to be made.
        tries: of each call, at most. It is tried again where no connection is made or it breaks, and where the service
            is overloaded or restarts (429, 502, 503, 504), after the time that its Retry-After asks for. What is wrong
            with the request itself (any other 4xx) is never tried again, and nothing is where the time left is too
            short.

    Raises:
        ConfigError: an argument breaks its rule.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        tries: int = 3,
    ) -> None:
        patience = Patience(timeout, connect_timeout, tries)
        self._http = httpx.Client(base_url=_address(url), headers=_headers(token))
        self._calls = Calls(self._http, patience)

    def predict(self, images: Images, *, model: str = "", version: str = "") -> Answer:
        """What is in images. A prediction changes nothing in the service, so it is safe to try it again.

        Args:
            images: a path, the bytes of an image file, a Pillow image, or an array, uint8 or float in [0, 1], of the
                shape (H, W, C) or (N, H, W, C) with C = 1 or 3; several of these as a list. Any size will do.
            model: its name; the service's default where empty.
            version: of the model; the live one where empty.

        Raises:
            InputError: what was given is no image.
            ServiceError: the service gave an error (`status`, `detail`, …), or no answer.
        """
        return self._take(self._calls.predict(read_images(images), model, version))

    def health(self) -> dict[str, Any]:
        """`status`, `model_loaded`, `preprocessor_loaded`, `version`.

        Raises:
            ServiceError: as of `predict`.
        """
        return self._take(self._calls.health())

    def model_info(self, *, model: str = "", version: str = "") -> dict[str, Any]:
        """`architecture`, `input_shape`, `classes`, `metrics`, `preprocessor`, …: the service's documentation has all.

        Raises:
            ServiceError: as of `predict`.
        """
        return self._take(self._calls.model_info(model, version))

    def feedback(self, labels: Mapping[str, str | int], *, model: str = "") -> int:
        """Tell what images truly show.

        Args:
            labels: name or index of the true class, by the prediction's id: `Answer.id`; of several images predicted
                together `f"{answer.id}-0"`, `f"{answer.id}-1"`, ….
            model: its name; the service's default where empty.

        Returns:
            How many were kept.

        Raises:
            ServiceError: as of `predict`; 404 where the service keeps no predictions (`serve.monitor.folder`).
        """
        return self._take(self._calls.feedback(labels, model))

    def monitor(self) -> dict[str, Any]:
        """What the service knows of its predictions: `versions`, each with drift, alarms and accuracy, and `store`.

        Raises:
            ServiceError: as of `predict`; 404 where nothing is watched.
        """
        return self._take(self._calls.monitor())

    def ready(self) -> bool:
        """Whether the service can predict now; False also where it cannot be reached. It is asked once.

        Raises:
            ServiceError: what answers is no such service.
        """
        return self._take(self._calls.ready())

    def close(self) -> None:
        """Close the connections; `with` does it too."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, steps: Steps[T]) -> T:
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            outcome = self._do(step)

    def _do(self, step: Send | float) -> Outcome:
        if isinstance(step, float):
            time.sleep(step)
            return None
        try:
            with closing(self._http.send(step.request, stream=True)) as response:
                pieces = []
                for piece in response.iter_bytes():
                    pieces.append(piece)
                    if step.seconds <= 0:
                        return step.late()
                return step.reply(response, b"".join(pieces))
        except httpx.RequestError as error:
            return error


class AsyncClient:
    """`Client` for asyncio: the same arguments and methods, to be awaited. It belongs to one event loop.

    async with eyas.AsyncClient("http://localhost:5000") as client:
        answers = await asyncio.gather(*(client.predict(path) for path in paths))
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        tries: int = 3,
    ) -> None:
        patience = Patience(timeout, connect_timeout, tries)
        self._http = httpx.AsyncClient(base_url=_address(url), headers=_headers(token))
        self._calls = Calls(self._http, patience)

    async def predict(self, images: Images, *, model: str = "", version: str = "") -> Answer:
        """As `Client.predict`; files are read and arrays encoded in a thread."""
        uploads = await asyncio.to_thread(read_images, images)
        return await self._take(self._calls.predict(uploads, model, version))

    async def health(self) -> dict[str, Any]:
        """As `Client.health`."""
        return await self._take(self._calls.health())

    async def model_info(self, *, model: str = "", version: str = "") -> dict[str, Any]:
        """As `Client.model_info`."""
        return await self._take(self._calls.model_info(model, version))

    async def feedback(self, labels: Mapping[str, str | int], *, model: str = "") -> int:
        """As `Client.feedback`."""
        return await self._take(self._calls.feedback(labels, model))

    async def monitor(self) -> dict[str, Any]:
        """As `Client.monitor`."""
        return await self._take(self._calls.monitor())

    async def ready(self) -> bool:
        """As `Client.ready`."""
        return await self._take(self._calls.ready())

    async def close(self) -> None:
        """Close the connections; `async with` does it too."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _take(self, steps: Steps[T]) -> T:
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            outcome = await self._do(step)

    async def _do(self, step: Send | float) -> Outcome:
        if isinstance(step, float):
            await asyncio.sleep(step)
            return None
        try:
            async with asyncio.timeout(step.seconds):
                response = await self._http.send(step.request)
        except TimeoutError:
            return step.late()
        except httpx.RequestError as error:
            return error
        return step.reply(response, response.content)


def _address(url: str | None) -> httpx.URL:
    given = os.environ.get("EYAS_URL", "") if url is None else url
    return service_url(given, "the service's url (or EYAS_URL)")


def _headers(token: str | None) -> dict[str, str]:
    """Of every request."""
    given = os.environ.get("EYAS_TOKEN", "") if token is None else token
    return {"User-Agent": f"eyas/{__version__}"} | bearing(given)
