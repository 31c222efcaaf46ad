"""Records for the tests of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eyas.monitor.store import Feedback, Outcome, Prediction, PredictionStore, pack_scores

NOON = 1_790_000_000.0
PREDICTION = Prediction(
    id="a",
    time=NOON,
    model="digits",
    version="1",
    arm="champion",
    predicted=1,
    confidence=0.7,
    scores=pack_scores(np.array([0.1, 0.7, 0.2])),
    needs_review=False,
    unknown=False,
    energy=-3.5,
    distance=12.25,
    latency_ms=1.5,
)


def prediction(id_: str = "a", **changes: Any) -> Prediction:
    return PREDICTION._replace(id=id_, **changes)


def predictions(count: int, prefix: str = "", **changes: Any) -> list[Prediction]:
    """One a second."""
    return [prediction(f"{prefix}{n}", time=NOON + n, **changes) for n in range(count)]


def label(id_: str = "a", true_class: int = 1, time: float = NOON + 60, source: str = "me") -> Feedback:
    return Feedback(id_, true_class, time, source)


def ids(store: PredictionStore) -> list[str]:
    """All, newest first."""
    return [row.prediction.id for row in store.recent(10_000).rows]


def met(outcomes: Sequence[Outcome]) -> list[tuple[str, int]]:
    return [(outcome.id, outcome.true_class) for outcome in outcomes]
