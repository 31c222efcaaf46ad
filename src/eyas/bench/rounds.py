"""The server and raw ONNX Runtime in turn, so that what else the machine does falls on both alike."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from eyas.bench.load import Load, drive
from eyas.bench.raw import SPAWN, Raw
from eyas.bench.requests import Body, Target, make_requests
from eyas.bundle import Bundle
from eyas.core.errors import ServingError

ROUNDS = 2  # of each, for a number of connections
CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Row:
    """What a number of connections brought."""

    concurrency: int
    requests_per_second: float
    """Answered with status 200."""
    p50_ms: float | None
    """Of those; None where there are none."""
    p95_ms: float | None
    p99_ms: float | None
    errors: dict[str, int]
    """How many others, by status or by what went wrong."""
    raw_per_second: float
    """Predictions by as many processes as the server has workers, or connections where those are fewer."""
    raw_p50_ms: float
    share: float
    """Of raw: requests_per_second / raw_per_second."""


def measure(
    bundle: Bundle,
    target: Target,
    *,
    body: Body,
    concurrencies: Sequence[int],
    seconds: float,
    workers: int,
    threads: int,
    token: str = "",
) -> Iterator[Row]:
    """Measure a server that serves `bundle`, one image a request.

    Args:
        concurrencies: numbers of connections, in turn.
        seconds: for each number, of the server and of raw ONNX Runtime each.
        workers, threads: of the server; raw ONNX Runtime gets the same.
        token: sent as a bearer token where it is not empty.

    Yields:
        A row for each number of connections.

    Raises:
        ServingError: nothing listens at `target`.
    """
    images = bundle.golden().images
    requests = make_requests(target, images, body, token)
    _require_server(target)
    with Raw(bundle.model, min(workers, max(concurrencies)), threads) as raw, ProcessPoolExecutor(1, SPAWN) as client:
        for concurrency in concurrencies:
            load = Load(target, requests, concurrency, seconds / ROUNDS)
            processes = min(concurrency, workers)
            answers: list[float] = []
            errors: Counter[str] = Counter()
            raws: list[float] = []
            for _ in range(ROUNDS):
                outcome = client.submit(drive, load).result()
                answers += outcome.latencies
                errors += outcome.errors
                raws += raw.run(images, processes, seconds / ROUNDS)
            yield _row(concurrency, answers, errors, raws, seconds)


def _require_server(target: Target) -> None:
    try:
        socket.create_connection((target.host, target.port), CONNECT_SECONDS).close()
    except OSError as error:
        raise ServingError(f"nothing answers at {target.host}:{target.port}: {error}") from error


def _row(concurrency: int, answers: list[float], errors: Counter[str], raws: list[float], seconds: float) -> Row:
    p50, p95, p99 = np.percentile(answers, (50, 95, 99)) * 1e3 if answers else (None, None, None)
    rate, raw_rate = len(answers) / seconds, len(raws) / seconds
    return Row(
        concurrency=concurrency,
        requests_per_second=rate,
        p50_ms=None if p50 is None else float(p50),
        p95_ms=None if p95 is None else float(p95),
        p99_ms=None if p99 is None else float(p99),
        errors=dict(sorted(errors.items())),
        raw_per_second=raw_rate,
        raw_p50_ms=float(np.median(raws)) * 1e3,
        share=rate / raw_rate,
    )
