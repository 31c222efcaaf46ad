"""A real Alertmanager of Prometheus, which sends what it is told to a receiver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.prometheus import PROGRAMS, running_alertmanager

needs_alertmanager = pytest.mark.skipif(
    PROGRAMS["alertmanager"] is None, reason="Alertmanager is not installed: apt-get install prometheus-alertmanager"
)


class Running:
    """By its API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def alerts(self, **query: str) -> list[dict[str, Any]]:
        """All that it knows of."""
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/api/v2/alerts", params=query).json()
        return found


@contextmanager
def alertmanager(folder: Path, receiver: str) -> Iterator[Running]:
    """Ready; it groups nothing and waits for nothing.

    Args:
        receiver: the URL that it posts to.
    """
    route = {"receiver": "here", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
    config = {"route": route, "receivers": [{"name": "here", "webhook_configs": [{"url": receiver}]}]}
    (folder / "alertmanager.yml").write_text(json.dumps(config))
    with running_alertmanager(folder / "alertmanager.yml", folder / "alertmanager") as url:
        yield Running(url)
