"""What clients notice of a worker killed, a server told to stop, a version that takes over, while they ask without a
pause.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic, sleep
from typing import Any

import numpy as np
from bodies import JSON, Body
from generate import BROKEN, REFUSED
from load import CONNECTIONS, Log, generating
from models import served
from peers import ADMIN_HEADERS, PEERS, WORK, Peer, Server, eyas_serves, post, serving

from eyas.bundle import Repository
from report import at_least, at_most, print_table, spread

TITLE = "disturbances"
CALM_SECONDS = 3.0
AFTER_SECONDS = 6.0
# Each connection ends after so many requests, as clients' do by and by: a new worker gets none of the old ones.
PER_CONNECTION = 50
WINDOW = 0.25
RECOVERED = 0.9
MODEL, NEXT = "resnet20", "resnet20-next"
VERSION = r'"version":"([^"]+)"'


@dataclass(frozen=True)
class Disturbance:
    """Something that is done to a server under load, and how many requests may fail of it."""

    do: Callable[[Server], None]
    most_failed: int
    comes_back: bool
    peer: Callable[[], Peer] = lambda: PEERS["eyas"]
    swaps: bool = False
    """Another version answers from then on."""


def kill_worker(server: Server) -> None:
    """SIGKILL the first process that the supervisor has started: a worker; the last is the monitor."""
    os.kill(server.tree.pids[1], signal.SIGKILL)


def stop(server: Server) -> None:
    """SIGTERM."""
    server.tree.process.terminate()


def promote(server: Server) -> None:
    """Have an admin make the next version live; it is over once every worker has it."""
    content = json.dumps({"version": served(NEXT).bundle.manifest.version}).encode()
    body = Body(f"/admin/models/{MODEL}/live", content, JSON | ADMIN_HEADERS, lambda content, headers: None)
    status, _, answer = post(server.url, body)
    if status != 200:
        sys.exit(f"the next version is not live: {status} {answer.decode()}")


def over_repository() -> Peer:
    """eyas over both versions, of which the first is live."""
    repository = Repository((WORK / "repository").absolute())
    repository.publish(served(NEXT).bundle.path, model=MODEL)
    repository.publish(served(MODEL).bundle.path, model=MODEL, live=True)
    settings = ("serve.admin=true", f"serve.audit_file={WORK / 'audit.log'}")
    return replace(PEERS["eyas"], command=lambda model, port: eyas_serves(repository.path, port, *settings))


# A worker has at most as many requests in flight as there are connections.
DISTURBANCES = {
    "a worker killed": Disturbance(kill_worker, CONNECTIONS, comes_back=True),
    "told to stop": Disturbance(stop, 0, comes_back=False),
    "a version takes over": Disturbance(promote, 0, comes_back=True, peer=over_repository, swaps=True),
}


def measure(options: Namespace) -> dict[str, Any]:
    """{disturbance: figures} of eyas, with resnet20 and JSON."""
    return {name: _measure(disturbance) for name, disturbance in DISTURBANCES.items()}


def _measure(disturbance: Disturbance) -> dict[str, float]:
    words = ("--connections", str(CONNECTIONS), "--per-connection", str(PER_CONNECTION), "--said", VERSION)
    with serving(disturbance.peer(), served(MODEL)) as server:
        length = CALM_SECONDS + AFTER_SECONDS
        with generating(server, server.bodies["json"], length, *words) as logs:
            sleep(CALM_SECONDS)
            at = monotonic()
            disturbance.do(server)
            done = monotonic()
    log = logs[0]
    answered = log.status == 200
    refused = disturbance.comes_back & (log.status == REFUSED)  # who is told to stop refuses, in the end
    old = answered & (log.said == served(MODEL).bundle.manifest.version)
    return {
        "answered": int(np.sum(answered)),
        "failed": int(np.sum((log.status == BROKEN) | (log.status >= 400) | refused)),
        "seconds": _recovery(log, at - log.began) if disturbance.comes_back else 0.0,
        "versions": len({*log.said[answered]}),
        "old": int(np.sum(old & (log.due > done - log.began))),
    }


def _recovery(log: Log, at: float) -> float:
    """Seconds from `at` until a second begins that has nearly as many answers as those before `at` had."""
    ended = log.ended[log.status == 200]
    edges = np.arange(at % WINDOW, CALM_SECONDS + AFTER_SECONDS, WINDOW)
    rates = np.histogram(ended, edges)[0]
    calm = np.median(rates[(edges[:-1] >= 1) & (edges[1:] <= at)])
    after = rates[edges[:-1] >= at - 1e-9]
    seconds = np.lib.stride_tricks.sliding_window_view(after, round(1 / WINDOW)).mean(axis=1)
    full = np.flatnonzero(seconds >= RECOVERED * calm)
    return float(full[0] * WINDOW) if len(full) else AFTER_SECONDS


def report(rounds: list[dict[str, Any]]) -> None:
    """Two tables."""
    rows = []
    for name, disturbance in DISTURBANCES.items():
        own = [one[name] for one in rounds]
        failed, seconds = ([one[key] for one in own] for key in ("failed", "seconds"))
        back = (spread(seconds, 2), at_most(2)(seconds)) if disturbance.comes_back else ("", "")
        answered = spread([one["answered"] for one in own])
        rows.append((name, answered, spread(failed), at_most(disturbance.most_failed)(failed), *back))
    columns = ("eyas under load", "answered", "failed", "bar", "s to full rate", "bar")
    print_table(f"disturbances, resnet20, json: {len(rounds)} rounds", columns, rows)
    _report_swaps(rounds)


def _report_swaps(rounds: list[dict[str, Any]]) -> None:
    rows = []
    for name, disturbance in DISTURBANCES.items():
        if disturbance.swaps:
            versions, old = ([one[name][key] for one in rounds] for key in ("versions", "old"))
            rows.append((name, spread(versions), at_least(2)(versions), spread(old), at_most(0)(old)))
    columns = ("eyas under load", "versions seen", "bar", "old ones once it was over", "bar")
    print_table(f"who answered: {len(rounds)} rounds", columns, rows)
