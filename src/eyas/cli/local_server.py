"""A server of our own on this machine, started and ended with a block."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from eyas.core.errors import ServingError
from eyas.core.processes import start_module

START_SECONDS = 30.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.05
# A proxy in the environment has no way to this machine's own address.
DIRECT = build_opener(ProxyHandler({}))


@contextmanager
def local_server(bundle: Path, overrides: Sequence[str] = ()) -> Iterator[str]:
    """Run `eyas serve` on a free port of 127.0.0.1; yield its URL once it is ready, and end it with the block.

    Raises:
        ServingError: it ended, or was not ready in `START_SECONDS`.
    """
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with start_module("eyas", "serve", str(bundle), *overrides, "--port", str(port)) as process:
        try:
            _wait_until_ready(url, process)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + START_SECONDS
    while monotonic() < deadline:
        if process.poll() is not None:
            raise ServingError(
                f"the server ended with exit code {process.returncode} before it was ready; why is above"
            )
        try:
            with DIRECT.open(f"{url}/readyz", timeout=1):
                return
        except (URLError, OSError):
            sleep(POLL_SECONDS)
    raise ServingError(f"the server was not ready within {START_SECONDS:g} s; `eyas serve BUNDLE` shows why")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
