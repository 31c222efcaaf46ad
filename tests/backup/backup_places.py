"""Where prediction stores may be, and what is in them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np

from eyas.monitor.store import Prediction, pack_scores
from support.postgres import Postgres

NOON = 1_790_000_000.0
NAMES = count()
Place = Callable[[str], str]
"""A new prediction store's path or URL."""


def database_maker(server: Postgres) -> Place:
    """Databases of a server."""
    import psycopg

    def make(name: str) -> str:
        database = f"{name}_{next(NAMES)}"
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database}".encode())
        return server.url.removesuffix("postgres") + database

    return make


def records(count: int, prefix: str = "") -> list[Prediction]:
    scores = pack_scores(np.array([0.1, 0.7, 0.2]))
    return [
        Prediction(
            id=f"{prefix}{n}",
            time=NOON + n,
            model="digits",
            version="1",
            arm="champion",
            predicted=n % 3,
            confidence=0.7,
            scores=scores,
            needs_review=n % 2 == 0,
            unknown=False,
            energy=-3.5,
            distance=None,
            latency_ms=1,
        )
        for n in range(count)
    ]
