"""What a worker counts on the way of each request: about two microseconds of it."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Collection
from time import perf_counter

from eyas.serve.http import Request
from eyas.serve.metrics.families import (
    ACTIVE,
    BATCH,
    DURATION,
    LATENCY,
    LOST,
    OF_MODELS,
    PID,
    PREDICT,
    REQUESTS,
    SECONDS,
    SHADOW,
    SHADOW_ERROR,
    SIZES,
    UNSCORED,
    WAITING,
    outcome,
)
from eyas.serve.metrics.shared import Counts, Series

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "_OTHER"  # OpenTelemetry's word for a method that is none of the known


class Meter:
    """Writes into the table of the worker that it is made in."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        counts.row((PID,))[0] = os.getpid()
        self._active = counts.row((ACTIVE.name,))
        self._waiting = counts.row((WAITING.name,))

    def keep(self, models: Collection[tuple[str, str]]) -> None:
        """Which are served from now on: what is counted of all others has left.

        Args:
            models: names and versions.
        """
        served = frozenset(models)
        self._counts.keep(lambda series: series[0] not in OF_MODELS or series[1:3] in served)

    def began(self) -> None:
        """A request has come."""
        self._active[0] += 1

    def ended(self, request: Request, status: int) -> None:
        """A request was answered."""
        self._active[0] -= 1
        seconds = perf_counter() - request.began
        method = request.method if request.method in METHODS else OTHER
        route = request.endpoint.path if request.endpoint else ""
        self._observe((DURATION.name, method, route, str(status)), SECONDS, seconds)
        if (model := request.model) is not None:
            self._counts.row((REQUESTS.name, *model, outcome(status)))[0] += 1
            if status < 400:
                self._observe((LATENCY.name, *model), SECONDS, seconds)

    def predicted(self, model: tuple[str, str], images: int, seconds: float) -> None:
        """The graph has run once.

        Args:
            model: name and version.
        """
        self._observe((PREDICT.name, *model), SECONDS, seconds)
        self._observe((BATCH.name, *model), SIZES, images)

    def unscored(self, model: tuple[str, str]) -> None:
        """The images of a prediction could not be scored; they are answered all the same.

        Args:
            model: name and version.
        """
        self._counts.row((UNSCORED.name, *model))[0] += 1

    def waiting(self, requests: int) -> None:
        """So many wait now."""
        self._waiting[0] = requests

    def shadowed(self, model: tuple[str, str], *, ok: bool) -> None:
        """A challenger was asked beside the champion.

        Args:
            model: name and version of the challenger.
        """
        self._counts.row((REQUESTS.name, *model, SHADOW if ok else SHADOW_ERROR))[0] += 1

    def lost(self, predictions: int) -> None:
        """The monitor will not hear of so many."""
        self._counts.row((LOST.name,))[0] += predictions

    def _observe(self, series: Series, buckets: tuple[float, ...], value: float) -> None:
        row = self._counts.row(series)
        row[bisect_left(buckets, value)] += 1
        row[len(buckets) + 1] += value
