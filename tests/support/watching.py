"""A service that watches its predictions: what is sent to it, and what it tells of them."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from eyas.image import ImagePolicy
from support.bundles import VAL, digits
from support.server import Server

WATCH_ALL = 1e6  # predictions a second


def clean(count: int) -> tuple[list[Any], list[int]]:
    """Held-out digits, shuffled: those that come later are by other hands, which is a drift."""
    images, labels = digits(ImagePolicy(8, 8, 1), VAL)
    drawn = np.random.default_rng(0).permutation(len(images))[:count]
    return images[drawn].tolist(), labels[drawn].tolist()


def noise(count: int) -> list[Any]:
    """Images like no digit."""
    found: list[Any] = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 1)).tolist()
    return found


def predict(server: Server, images: list[Any]) -> list[str]:
    """One request each; their ids."""
    with httpx.Client(base_url=server.url) as client:
        return [client.post("/predict", json={"data": one, "range": 255}).json()["id"] for one in images]


def metrics(server: Server) -> dict[tuple[str, ...], float]:
    """(name, label values in the order of the labels' names …) → value."""
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(httpx.get(f"{server.url}/metrics").text)
        for one in family.samples
    }


def watcher_of(server: Server) -> int:
    """Its process id: the only child that ignores SIGTERM."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    ignoring = [int(pid) for pid in children if _ignores_term(int(pid))]
    assert len(ignoring) == 1
    return ignoring[0]


def _ignores_term(pid: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    ignored = int(next(line for line in lines if line.startswith("SigIgn")).split()[1], 16)
    return bool(ignored >> (signal.SIGTERM - 1) & 1)
