"""Real Prometheus and Alertmanager servers, and their tools."""

from __future__ import annotations

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

PROGRAMS = {
    "prometheus": shutil.which("prometheus"),
    "promtool": shutil.which("promtool"),
    "alertmanager": shutil.which("prometheus-alertmanager") or shutil.which("alertmanager"),
    "amtool": shutil.which("amtool"),
}
needs_prometheus = pytest.mark.skipif(
    None in PROGRAMS.values(),
    reason="Prometheus and Alertmanager are not installed: apt-get install prometheus prometheus-alertmanager",
)


class Prometheus:
    """One that runs, at an address."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series that an expression gives now.

        Raises:
            AssertionError: Prometheus refuses it.
        """
        found: list[dict[str, Any]] = self._get("query", query=expr)["result"]
        return found

    def label_values(self, label: str, selector: str) -> list[str]:
        """Of the series of a selector."""
        found: list[str] = self._get(f"label/{label}/values", **{"match[]": selector})
        return found

    def _get(self, path: str, **query: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=query).json()
        assert answer["status"] == "success", f"{query}: {answer}"
        return answer["data"]


def run_program(name: str, *words: str) -> str:
    """What it says.

    Raises:
        AssertionError: it failed; with all that it said.
    """
    command = [str(PROGRAMS[name]), *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout.decode()


@contextmanager
def running_prometheus(config: Path, folder: Path) -> Iterator[Prometheus]:
    """Over a configuration, with its data in `folder`; ready."""
    port = free_port()
    words = [f"--config.file={config}", f"--storage.tsdb.path={folder}", f"--web.listen-address=127.0.0.1:{port}"]
    with _running("prometheus", words, f"http://127.0.0.1:{port}", folder) as url:
        yield Prometheus(url)


@contextmanager
def running_alertmanager(config: Path, folder: Path) -> Iterator[str]:
    """Over a configuration, alone, with its data in `folder`; ready. Gives its address."""
    port = free_port()
    words = [
        f"--config.file={config}",
        f"--storage.path={folder}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with _running("alertmanager", words, f"http://127.0.0.1:{port}", folder) as url:
        yield url


@contextmanager
def _running(name: str, words: list[str], url: str, folder: Path) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen([str(PROGRAMS[name]), *words], stdout=file, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: _is_ready(process, url, log), seconds=30)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def _is_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return httpx.get(f"{url}/-/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
