"""What clients notice of a worker killed, and of a server told to stop, while they ask without a pause."""

from __future__ import annotations

import os
import signal
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

import numpy as np
from generate import BROKEN
from load import CONNECTIONS, Log, generating
from models import served
from peers import PEERS, Server, serving

from report import at_most, print_table, spread

TITLE = "disturbances"
CALM_SECONDS = 3.0
AFTER_SECONDS = 6.0
# Each connection ends after so many requests, as clients' do by and by: a new worker gets none of the old ones.
PER_CONNECTION = 50
WINDOW = 0.25
RECOVERED = 0.9


@dataclass(frozen=True)
class Disturbance:
    """Something that is done to a server under load, and how many requests may fail of it."""

    do: Callable[[Server], None]
    most_failed: int
    comes_back: bool


def kill_worker(server: Server) -> None:
    """SIGKILL the last process of the tree: a worker that serves."""
    os.kill(server.tree.pids[-1], signal.SIGKILL)


def stop(server: Server) -> None:
    """SIGTERM."""
    server.tree.process.terminate()


# A worker has at most as many requests in flight as there are connections.
DISTURBANCES = {
    "a worker killed": Disturbance(kill_worker, CONNECTIONS, comes_back=True),
    "told to stop": Disturbance(stop, 0, comes_back=False),
}


def measure(options: Namespace) -> dict[str, Any]:
    """{disturbance: figures} of eyas, with resnet20 and JSON."""
    return {name: _measure(disturbance) for name, disturbance in DISTURBANCES.items()}


def _measure(disturbance: Disturbance) -> dict[str, float]:
    words = ("--connections", str(CONNECTIONS), "--per-connection", str(PER_CONNECTION))
    with serving(PEERS["eyas"], served("resnet20")) as server:
        length = CALM_SECONDS + AFTER_SECONDS
        with generating(server, server.bodies["json"], length, *words) as logs:
            sleep(CALM_SECONDS)
            at = monotonic()
            disturbance.do(server)
    log = logs[0]
    return {
        "answered": int(np.sum(log.status == 200)),
        "failed": int(np.sum((log.status == BROKEN) | (log.status >= 400))),
        "seconds": _recovery(log, at - log.began) if disturbance.comes_back else 0.0,
    }


def _recovery(log: Log, at: float) -> float:
    """Seconds from `at` until a window has as many answers as those before `at`, by their median."""
    ended = log.ended[log.status == 200]
    edges = np.arange(at % WINDOW, CALM_SECONDS + AFTER_SECONDS, WINDOW)
    rates = np.histogram(ended, edges)[0]
    calm = np.median(rates[(edges[:-1] >= 1) & (edges[1:] <= at)])
    low = np.flatnonzero((edges[:-1] >= at - 1e-9) & (rates < RECOVERED * calm))
    return float(edges[low[-1] + 1] - at) if len(low) else 0.0


def report(rounds: list[dict[str, Any]]) -> None:
    """One table."""
    rows = []
    for name, disturbance in DISTURBANCES.items():
        own = [one[name] for one in rounds]
        failed, seconds = ([one[key] for one in own] for key in ("failed", "seconds"))
        back = (spread(seconds, 2), at_most(2)(seconds)) if disturbance.comes_back else ("", "")
        answered = spread([one["answered"] for one in own])
        rows.append((name, answered, spread(failed), at_most(disturbance.most_failed)(failed), *back))
    columns = ("eyas under load", "answered", "failed", "bar", "s to full rate", "bar")
    print_table(f"disturbances, resnet20, json: {len(rounds)} rounds", columns, rows)
