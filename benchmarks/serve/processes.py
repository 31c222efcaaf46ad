"""A server as a tree of processes: started, waited for, weighed, ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

START_SECONDS = 120
STOP_SECONDS = 30
POLL = 0.005


@dataclass
class Tree:
    """A process that was started here, and all that it started."""

    process: subprocess.Popen[bytes]
    began: float
    """On `monotonic()`."""
    log: Path

    @property
    def pids(self) -> list[int]:
        """The first process, then its descendants."""
        found = [self.process.pid]
        for pid in found:  # grows as it is walked
            with suppress(FileNotFoundError, ProcessLookupError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (task / "children").read_text().split())
        return found

    def memory(self) -> list[tuple[int, int]]:
        """(RSS, PSS) in bytes of each process. PSS: pages that n processes share count 1/n for each."""
        return [found for pid in self.pids if (found := _memory(pid)) is not None]

    def pss(self) -> int:
        """Bytes, in all."""
        return sum(pss for _, pss in self.memory())

    def cpu(self) -> float:
        """Seconds of processor time so far, of all that run now."""
        return sum(_cpu(pid) for pid in self.pids)

    def wait_for(self, ready: Callable[[], bool]) -> float:
        """Seconds from the start until `ready()`."""
        while monotonic() < self.began + START_SECONDS:
            if ready():
                return monotonic() - self.began
            if self.process.poll() is not None:
                break
            sleep(POLL)
        self.end()
        sys.exit(f"{self.process.args!r} did not become ready:\n{self.log.read_text()[-4000:]}")

    def end(self) -> None:
        """SIGTERM to the first process; what is left of its group is killed."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running(
    command: Sequence[str], env: dict[str, str], cwd: Path | None = None, cores: set[int] | None = None
) -> Iterator[Tree]:
    """Run a command in a group of its own, on `cores` where given, until the block ends."""
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        began = monotonic()
        process = subprocess.Popen(
            pinned(command, cores),
            env={**os.environ, **env},
            cwd=cwd,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        tree = Tree(process, began, Path(log.name))
        try:
            yield tree
        finally:
            tree.end()


def pinned(command: Sequence[str], cores: set[int] | None) -> list[str]:
    """The command, kept to `cores`."""
    return ["taskset", "--cpu-list", ",".join(map(str, sorted(cores))), *command] if cores else list(command)


def free_port() -> int:
    """A port that nobody has, with the next two free as well (Triton takes three)."""
    while True:
        with socket.socket() as first, socket.socket() as second, socket.socket() as third, suppress(OSError):
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            second.bind(("127.0.0.1", port + 1))
            third.bind(("127.0.0.1", port + 2))
            return port


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> tuple[int, int] | None:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    found = {line.split()[0]: int(line.split()[1]) * 1024 for line in lines[1:] if line.endswith("kB")}
    return (found["Rss:"], found["Pss:"]) if "Rss:" in found else None
