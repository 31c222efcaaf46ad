"""What a worker counts on the way of each request: about two microseconds of it."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Collection
from time import perf_counter

from eyas.serve.http import Request
from eyas.serve.metrics.families import (
    ACTIVE,
    AT_HAND,
    BATCH,
    CALLS,
    DURATION,
    LATENCY,
    LOST,
    MODEL_WAITING,
    OF_MODELS,
    PID,
    PREDICT,
    REFUSALS,
    REFUSED,
    REQUESTS,
    SECONDS,
    SHADOW,
    SHADOW_ERROR,
    SIZES,
    UNSCORED,
    WAITING,
    outcome,
)
from eyas.serve.metrics.shared import Counts, Numbers, Series

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "_OTHER"  # OpenTelemetry's word for a method that is none of the known


class Meter:
    """Writes into the table of the worker that it is made in.

    Args:
        scheme: `http`, or `https` under TLS.
    """

    def __init__(self, counts: Counts, scheme: str = "http") -> None:
        self._counts, self._scheme = counts, scheme
        counts.row((PID,))[0] = os.getpid()
        self._waiting = counts.row((WAITING.name,))
        for reason in REFUSALS:
            counts.row((REFUSED.name, reason))
        self._active: dict[str, Numbers] = {}  # by method; these series never leave

    def keep(self, models: Collection[tuple[str, str]]) -> None:
        """Which are served from now on: what is counted of all others has left.

        Args:
            models: names and versions.
        """
        served = frozenset(models)
        self._counts.keep(lambda series: series[0] not in OF_MODELS or series[1:3] in served)
        for model in served:  # told from the start, as 0
            self._counts.row((AT_HAND.name, *model))
            self._counts.row((MODEL_WAITING.name, *model))

    def began(self, request: Request) -> None:
        """A request has come."""
        method = request.method if request.method in METHODS else OTHER
        active = self._active.get(method)
        if active is None:
            active = self._active[method] = self._counts.row((ACTIVE.name, method, self._scheme))
        active[0] += 1

    def routed(self, model: tuple[str, str]) -> None:
        """It is known which model a request is for, once; its end tells of that model too.

        Args:
            model: name and version.
        """
        self._counts.row((AT_HAND.name, *model))[0] += 1

    def ended(self, request: Request, status: int) -> None:
        """A request was answered."""
        seconds = perf_counter() - request.began
        method = request.method if request.method in METHODS else OTHER
        self._active[method][0] -= 1
        route = request.endpoint.path if request.endpoint else ""
        self._observe((DURATION.name, method, route, str(status), self._scheme), SECONDS, seconds)
        self._answered(request, status, seconds)

    def called(self, request: Request, status: int, code: str) -> None:
        """A call over gRPC was answered.

        Args:
            status: as HTTP would have it.
            code: gRPC's, by name.
        """
        seconds = perf_counter() - request.began
        self._observe((CALLS.name, "grpc", request.path[1:], code), SECONDS, seconds)
        self._answered(request, status, seconds)

    def refused(self, reason: str, address: str) -> None:
        """A connection was closed before a request was whole."""
        self._counts.row((REFUSED.name, reason))[0] += 1

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

    def waiting(self, requests: int, model: tuple[str, str] | None, change: int) -> None:
        """So many wait now, and of a model one more (1) or one less (-1)."""
        self._waiting[0] = requests
        if model is not None:
            self._add((MODEL_WAITING.name, *model), change)

    def shadowed(self, model: tuple[str, str], *, ok: bool) -> None:
        """A challenger was asked beside the champion.

        Args:
            model: name and version of the challenger.
        """
        self._counts.row((REQUESTS.name, *model, SHADOW if ok else SHADOW_ERROR))[0] += 1

    def lost(self, predictions: int) -> None:
        """The monitor will not hear of so many."""
        self._counts.row((LOST.name,))[0] += predictions

    def _answered(self, request: Request, status: int, seconds: float) -> None:
        if (model := request.model) is not None:
            self._add((AT_HAND.name, *model), -1)
            self._counts.row((REQUESTS.name, *model, outcome(status)))[0] += 1
            if status < 400:
                self._observe((LATENCY.name, *model), SECONDS, seconds)

    def _add(self, series: Series, change: int) -> None:
        """To a gauge of a model: one that has left may have come back since, and then counts from 0."""
        row = self._counts.row(series)
        row[0] = max(0, row[0] + change)

    def _observe(self, series: Series, buckets: tuple[float, ...], value: float) -> None:
        row = self._counts.row(series)
        row[bisect_left(buckets, value)] += 1
        row[len(buckets) + 1] += value
