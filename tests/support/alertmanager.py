"""A real Alertmanager of Prometheus, which sends what it is told to a receiver."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.server import free_port
from support.waiting import wait_until

PROGRAM = shutil.which("prometheus-alertmanager")
needs_alertmanager = pytest.mark.skipif(
    PROGRAM is None, reason="Alertmanager is not installed: apt-get install prometheus-alertmanager"
)
START_SECONDS = 30


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
    port = free_port()
    words = [f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data", "--cluster.listen-address="]
    url = f"http://127.0.0.1:{port}"
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(
            [str(PROGRAM), *words, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        wait_until(lambda: _answers(process, url, folder), START_SECONDS)
        yield Running(url)
    finally:
        process.terminate()
        process.wait(20)


def _answers(process: subprocess.Popen[bytes], url: str, folder: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"Alertmanager ended: {(folder / 'alertmanager.log').read_text()}")
    try:
        return httpx.get(f"{url}/-/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
