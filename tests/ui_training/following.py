"""`eyas ui` in this process and as a program, and `eyas train` as a program."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from support.asgi import Client
from support.waiting import wait_until

EYAS = (sys.executable, "-m", "eyas")
NEAR = {"Host": "localhost:5050"}


@dataclass
class Page:
    """A running `eyas ui`."""

    url: str
    process: subprocess.Popen[str]

    def get(self, path: str, **query: Any) -> Any:
        """JSON of `/live/…`."""
        answer = httpx.get(f"{self.url}/live/{path}", params=query)
        answer.raise_for_status()
        return answer.json()

    def states(self) -> dict[str, str]:
        return {one["run"]: one["state"] for one in self.get("list")["runs"]}


class Asked:
    """A page's endpoints in this process."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def answer(self, path: str, headers: dict[str, str] = NEAR, **query: Any) -> httpx.Response:
        return self._client.get(path, params=query or None, headers=headers)

    def get(self, path: str, **query: Any) -> Any:
        answer = self.answer(f"/live/{path}", **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def line(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(one for one in self.get("list")["runs"] if one["run"] == name)
        return found


@contextmanager
def following(folder: Path, home: Path | None = None, port: int = 0) -> Iterator[Page]:
    """`eyas ui` on a free port, once it says where it is; `home` is the folder that it is started in."""
    command = [*EYAS, "ui", str(folder), "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=home) as process:
        try:
            assert process.stderr is not None
            told = ""
            while not (found := re.search(r"http://\S+", told)):
                told = process.stderr.readline()
                assert told, f"it ended with {process.wait(10)}"
            yield Page(found[0], process)
        finally:
            process.terminate()


@contextmanager
def training(folder: Path, name: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A run that goes on for long, once it has an epoch; whatever is left of it is killed at the end."""
    keys = [f"runs_dir={folder}", f"name={name}", "model=cnn", "train.epochs=400", "train.early_stopping=null", *words]
    command = [*EYAS, "train", "digits", *keys]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as made:
        try:
            wait_until(lambda: made.poll() is not None or epochs(folder / f"{name}-1") > 0, seconds=90)
            assert made.poll() is None, made.communicate()[1]
            yield made
        finally:
            made.kill()


@contextmanager
def searching(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A search, from its start; whatever is left of it is killed at the end, with its workers."""
    command = [*EYAS, "tune", "digits", f"runs_dir={folder}", "--workers", "1", "--seeds", "1", *words]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as made:
        try:
            yield made
        finally:
            os.killpg(made.pid, signal.SIGKILL)


def epochs(run: Path) -> int:
    """That a run's history has."""
    file = run / "history.csv"
    return len(file.read_text().splitlines()) - 1 if file.exists() else 0
