"""What watching costs a service, and how fast it takes a bad version back.

Cost: the same service with `serve.monitor` on (drift tests, counts, prediction store in SQLite) and off, in turn, of a
network that takes 0.1 ms an image (Fashion-MNIST) and of one that takes 4 ms (CIFAR-100); wrk sends 2,000 test images
as JSON, another one with each request. Throughput with 16 connections, by the median of the ratios of the rounds;
latency with one connection, whose difference is what a request pays, and what it waits where the watcher has its core.
On the path alone: what a worker does for each answer before it leaves (scores it, notes it), and for the answers of a
twentieth of a second afterwards, on the loop.

Roll-back: `fashion-shuffled`, which knows nothing, gets half of the requests, whose labels are told at once. From the
moment of the decision, as the history has it, until its last answer; and the requests that failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import monotonic, perf_counter, sleep, time
from typing import Any

import httpx
import numpy as np
from models import KEPT, REAL, watched
from numpy.typing import NDArray

from eyas.bundle import Repository
from eyas.core.schema import MonitoringConfig
from eyas.rollout import RolloutStore, make_plan, rollouts_of
from eyas.serve.dealing import Route
from eyas.serve.ids import new_id
from eyas.serve.model import Model
from eyas.serve.monitoring.channel import Channel, Outbox
from eyas.serve.monitoring.reporter import Reporter

TITLE = "service"
SECONDS, SENT = 8, 2000
ON_PATH, WARM, TOLD = 10_000, 1_000, 100  # answers; those not counted; and those told together
PORT = 5917
URL = f"http://127.0.0.1:{PORT}"
WORKERS, CALLERS = 2, 4
READY_SECONDS, ROLLBACK_SECONDS, AFTER_SECONDS = 60, 120, 3
SERVED = (f"serve.port={PORT}", f"serve.workers={WORKERS}", "serve.threads=1")
HERE = Path(__file__).parent


def run(options: argparse.Namespace) -> None:
    """Print both parts."""
    _on_path()
    for name in REAL:
        _cost(name, options.rounds)
    _roll_back(options.rounds)


def _on_path() -> None:
    """Of a worker of its own, in this process."""
    watched_model = watched("fashion")
    model = Model(watched_model.bundle, 1, outlier_rate=0.01)
    images = watched_model.data.test.take(slice(0, ON_PATH))
    alone, together = asyncio.run(_answered(model, images))
    alone, together = alone[WARM:], together[WARM // TOLD :]
    print(
        f"\non the path: p50 {1e6 * np.median(alone):.0f} µs, p99 {1e6 * np.percentile(alone, 99):.0f} µs an answer; "
        f"{TOLD} of them are told in {1e6 * np.median(together):.0f} µs (p99 {1e6 * np.percentile(together, 99):.0f})",
        flush=True,
    )


async def _answered(model: Model, images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seconds that each answer was scored and noted in, and those that `TOLD` of them were told in."""
    channel, alone, together = Channel(), [], []
    reporter = Reporter(Outbox(channel.writing), MonitoringConfig(), 1.0, lambda _: None, asyncio.get_running_loop())
    assert model.scoring is not None
    for row in range(len(images)):
        image = images[row : row + 1]
        prediction = model.predict(image)
        began = perf_counter()
        model.scoring.attempt(prediction.probabilities, prediction.logits, prediction.features)
        reporter.note(Route(model, new_id()), image, prediction, 0.001)
        alone.append(perf_counter() - began)
        if row % TOLD == TOLD - 1:
            began = perf_counter()
            reporter.flush()
            together.append(perf_counter() - began)
            while channel.receive():
                pass
    channel.close()
    return np.array(alone), np.array(together)


def _cost(name: str, rounds: int) -> None:
    """Of a watched model."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk, or https://github.com/wg/wrk")
    model = watched(name)
    bodies = KEPT / "bodies"
    images = model.data.test.take(slice(0, SENT))
    bodies.write_text("".join(f"{json.dumps(_body(image))}\n" for image in images))
    found: dict[str, list[dict[str, float]]] = {"on": [], "off": []}
    for _ in range(rounds):
        for monitor, kept in found.items():
            folder = KEPT / "watching"
            shutil.rmtree(folder, ignore_errors=True)
            words = [f"serve.monitor.folder={folder}"] if monitor == "on" else ["serve.monitor=null"]
            with serving(model.bundle.path, *words):
                wrk(16, 1, bodies)
                busy, alone = wrk(16, SECONDS, bodies), wrk(1, SECONDS, bodies)
                kept.append({"rate": busy["rate"], "p50": alone["p50"], "p99": alone["p99"]})
    ratios = [on["rate"] / off["rate"] for on, off in zip(found["on"], found["off"], strict=True)]
    rate = np.median([one["rate"] for one in found["off"]])
    print(
        f"\n{name}, throughput: {rate:,.0f} requests/s without the monitor, with it {np.median(ratios):.3f} of that "
        f"({min(ratios):.3f} to {max(ratios):.3f}; {rounds} rounds)"
    )
    for percentile in ("p50", "p99"):
        on, off = (1e6 * np.array([one[percentile] for one in found[which]]) for which in ("on", "off"))
        print(
            f"{name}, latency alone, {percentile}: {np.median(off):.0f} µs without, {np.median(on):.0f} with it; "
            f"difference {np.median(on - off):+.0f} ({min(on - off):+.0f} to {max(on - off):+.0f})",
            flush=True,
        )


def wrk(connections: int, seconds: float, bodies: Path) -> dict[str, float]:
    """Requests a second, p50 and p99 in seconds. Every answer must be a 200."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(HERE / "images.lua"), f"{URL}/predict"]
    done = subprocess.run([*command, "--", str(bodies)], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if found["errors"]:
        sys.exit(f"{found['errors']} of {found['requests']} requests failed")
    return found


@contextmanager
def serving(path: Path, *words: str) -> Iterator[None]:
    """`eyas serve`, ready, until the block ends."""
    with (KEPT / "serve.log").open("w") as log:
        command = [sys.executable, "-m", "eyas", "serve", str(path), *SERVED, *words]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            until = monotonic() + READY_SECONDS
            while not _ready():
                if process.poll() is not None or monotonic() > until:
                    sys.exit(f"the service is not ready:\n{(KEPT / 'serve.log').read_text()[-2000:]}")
                sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait()


def _ready() -> bool:
    try:
        return httpx.get(f"{URL}/readyz").status_code == 200
    except httpx.TransportError:
        return False


@dataclass(frozen=True)
class Call:
    """A request that was answered, or not."""

    at: float
    """When its answer was there: seconds since 1970."""
    version: str
    failed: bool


def _roll_back(rounds: int) -> None:
    lasts, delays, failed, sent = [], [], 0, 0
    for _ in range(rounds):
        calls, decided, began = _one_roll_back()
        bad = watched("fashion-shuffled").bundle.manifest.version
        lasts.append(max(call.at for call in calls if call.version == bad) - decided)
        delays.append(decided - began)
        failed += sum(call.failed for call in calls)
        sent += len(calls)
    print(
        f"roll-back: the last answer of the bad version {1000 * np.median(lasts):+.0f} ms from the decision "
        f"(longest {1000 * max(lasts):+.0f}); {failed} of {sent} requests failed; decided {np.median(delays):.1f} s "
        f"after the start, {rounds} rounds",
        flush=True,
    )


def _one_roll_back() -> tuple[list[Call], float, float]:
    """All calls, when it was decided, and when the rollout began."""
    folder = KEPT / "rollout"
    shutil.rmtree(folder, ignore_errors=True)
    repository = Repository(folder / "models")
    repository.publish(watched("fashion").bundle.path, model="fashion", live=True)
    repository.publish(watched("fashion-shuffled").bundle.path, model="fashion")
    store = rollouts_of(repository, "fashion")
    with serving(repository.path, f"serve.monitor.folder={folder / 'watch'}", "serve.poll_seconds=0.2"):
        stop, began = Event(), time()
        with ThreadPoolExecutor(CALLERS) as pool:
            callers = [pool.submit(_call, caller, stop) for caller in range(CALLERS)]
            try:
                _start(repository, store)
                decided = _wait(store)
                sleep(AFTER_SECONDS)
            finally:
                stop.set()
            return [call for caller in callers for call in caller.result()], decided, began


def _start(repository: Repository, store: RolloutStore) -> None:
    live = repository.live("fashion")
    plan: dict[str, Any] = {
        "mode": "ab",
        "champion": live.version if live else "",
        "challenger": watched("fashion-shuffled").bundle.manifest.version,
        "stages": [0.5],
        "stage_requests": 10_000,
    }
    store.start(make_plan(plan), by="benchmark", why="to see it taken back", now=time())


def _wait(store: RolloutStore) -> float:
    until = monotonic() + ROLLBACK_SECONDS
    while monotonic() < until:
        if (rollout := store.current()) and rollout.over:
            return store.history()[-1].time
        sleep(0.01)
    sys.exit("the bad version was not taken back")


def _call(caller: int, stop: Event) -> list[Call]:
    """One image after the other, each its own user, whose label is told at once."""
    calls, test = [], watched("fashion").data.test
    random = np.random.default_rng(caller)
    with httpx.Client(base_url=URL) as client:
        while not stop.is_set():
            row = int(random.integers(len(test)))
            body = _body(test.take(slice(row, row + 1))[0])
            answer = client.post("/predict", json=body, headers={"X-User-Id": f"{caller}-{len(calls)}"})
            found = answer.json() if answer.status_code == 200 else {}
            calls.append(Call(time(), found.get("version", ""), not found))
            if found:
                label = test_label(row)
                client.post("/feedback", json={"id": found["id"], "label": label}).raise_for_status()
    return calls


def _body(image: np.ndarray) -> dict[str, Any]:
    return {"data": image.tolist(), "range": 255}


def test_label(row: int) -> str:
    """The class of a test image, as the service names it."""
    model = watched("fashion")
    return model.bundle.classes[int(model.data.test.labels[row])]
