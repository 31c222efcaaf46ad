"""The loads: wrk's for throughput, our own where each request's fate counts, and ONNX Runtime's own pace."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bodies import Body
from models import Served
from peers import APPS, ENV, ENVIRONMENTS, HERE, WORKERS, Server
from processes import pinned

CONNECTIONS = 16
WARM_SECONDS = 1


@dataclass(frozen=True)
class Log:
    """Every request of a load of our own, by when it was due."""

    began: float
    """On `time.monotonic()`."""
    due: np.ndarray
    """(N,) seconds from the beginning."""
    seconds: np.ndarray
    """(N,) from when it was due until it was over."""
    status: np.ndarray
    """(N,); see `generate.BROKEN` and `REFUSED`."""
    said: np.ndarray
    """(N,) of str: what was looked for in the answer, see `generate.py --said`."""

    def latency(self, percent: float, rows: np.ndarray | slice = slice(None)) -> float:
        """Percentile in seconds of some of the rows; NaN of none."""
        chosen = self.seconds[rows]
        return float(np.percentile(chosen, percent)) if len(chosen) else float("nan")

    @property
    def ended(self) -> np.ndarray:
        """(N,) seconds from the beginning."""
        return self.due + self.seconds


def saturate(server: Server, body: Body, seconds: float) -> dict[str, float]:
    """wrk with 16 connections, after a second to warm up: requests a second, errors, and in seconds p50 and p99 of
    latency and `cpu`, the processor time of the server for a request."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(body.content)
        file.flush()
        headers = [f"{name}: {value}" for name, value in body.headers.items()]
        command = ["-s", str(HERE / "wrk.lua"), server.url + body.path, "--", file.name, *headers]
        _wrk(f"-t1 -c{CONNECTIONS} -d{WARM_SECONDS}s".split() + command)
        before = server.tree.cpu()
        found = _wrk(f"-t1 -c{CONNECTIONS} -d{seconds:g}s".split() + command)
        cpu = (server.tree.cpu() - before) / max(1, found["requests"])
    failed = found["status_errors"] + found["socket_errors"]
    rate = (found["requests"] - found["status_errors"]) / found["seconds"]
    return {"rate": rate, "failed": failed, "cpu": cpu, **found}


def _wrk(arguments: Sequence[str]) -> dict[str, float]:
    try:
        done = subprocess.run(["wrk", *arguments], capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as error:
        sys.exit(f"wrk failed: {error.stdout}{error.stderr}")
    except FileNotFoundError:
        sys.exit("wrk is missing: apt-get install wrk, or https://github.com/wg/wrk")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def raw(model: Served, seconds: float) -> float:
    """Images a second of ONNX Runtime without a server: as many processes as the servers have workers."""
    env = ENV | {"MODEL": str(model.onnx)}
    python = str(ENVIRONMENTS / "eyas" / "bin" / "python")
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, model.image)
        file.flush()
        command = [python, str(APPS / "raw.py"), file.name, str(seconds)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        workers = [subprocess.Popen(command, env=env, text=True, **pipes) for _ in range(WORKERS)]
        for worker in workers:
            worker.stdout.readline()
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        return sum(float(worker.communicate()[0]) for worker in workers)


@contextmanager
def generating(
    server: Server, body: Body, seconds: float, *words: str, cores: set[int] | None = None
) -> Iterator[list[Log]]:
    """Run `generate.py` beside the block; the list holds its log once the block has ended."""
    with tempfile.TemporaryDirectory() as folder:
        request, out = Path(folder) / "request", Path(folder) / "log.json"
        request.write_bytes(as_http(server, body))
        command = [sys.executable, str(HERE / "generate.py"), str(server.port), str(request), str(out)]
        process = subprocess.Popen(pinned([*command, "--seconds", str(seconds), *words], cores))
        logs: list[Log] = []
        yield logs
        if process.wait():
            sys.exit(f"generate.py ended with {process.returncode}")
        found = json.loads(out.read_text())
        due, took, status, said = map(np.array, zip(*sorted(found["rows"]), strict=True))
        logs.append(Log(found["began"], due, took, status, said))


def generate(server: Server, body: Body, seconds: float, *words: str, cores: set[int] | None = None) -> Log:
    """The log of a load with nothing beside it."""
    with generating(server, body, seconds, *words, cores=cores) as logs:
        pass
    return logs[0]


def as_http(server: Server, body: Body) -> bytes:
    """The whole request as it goes over the wire."""
    headers = {"Host": f"127.0.0.1:{server.port}", **body.headers, "Content-Length": str(len(body.content))}
    lines = [f"POST {body.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body.content
