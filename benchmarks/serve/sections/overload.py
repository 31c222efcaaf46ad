"""Three times as many requests as the server can answer.

The server and the load have cores of their own, half each, so that the load does not take what it measures.
"""

from __future__ import annotations

import http.client
import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

import numpy as np
from load import CONNECTIONS, Log, generate, generating
from models import served
from peers import PEERS, Server, serving

from report import at_least, at_most, print_table, spread

TITLE = "overload"
TIMES = 3
PROBE_SECONDS = 0.05
WEIGHED_EVERY = 20  # probes: to weigh a process takes milliseconds, during which it waits for its memory
BEGINNING = 1.0  # seconds that are not counted, and of /livez told apart: the load sets up its connections
LIVE = {"eyas": "/livez", "triton": "/v2/health/live"}


@dataclass
class Seen:
    """What the probes have found while the load lasted."""

    at: list[float] = field(default_factory=list)
    """When each began, on `monotonic()`."""
    live: list[float] = field(default_factory=list)
    """Seconds until the server said that it is alive; infinite where it did not."""
    memory: list[int] = field(default_factory=list)
    """Bytes of PSS."""


def measure(options: Namespace) -> dict[str, Any]:
    """{peer: figures}, with resnet20 and JSON; of the peers that can say whether they are alive."""
    ours, theirs = _halves()
    found = {}
    for name in options.peers:
        if name not in LIVE:
            continue
        with serving(PEERS[name], served("resnet20"), cores=ours) as server:
            body = server.bodies["json"]
            calm = generate(server, body, options.seconds, "--connections", str(CONNECTIONS), cores=theirs)
            peak = _goodput(calm, options.seconds)
            before = server.tree.pss()
            rate = str(TIMES * peak)
            with (
                _probing(server, theirs) as seen,
                generating(server, body, options.seconds, "--rate", rate, cores=theirs) as logs,
            ):
                pass
            found[name] = _figures(logs[0], options.seconds, peak, before, seen)
    return found


def _halves() -> tuple[set[int], set[int]]:
    cores = sorted(os.sched_getaffinity(0))
    half = max(1, len(cores) // 2)
    return set(cores[:half]), set(cores[half:] or cores)


def _goodput(log: Log, seconds: float) -> float:
    """200s a second that came while the load lasted, but for the beginning."""
    counted = (log.status == 200) & (log.ended >= BEGINNING) & (log.ended <= seconds)
    return float(np.sum(counted)) / (seconds - BEGINNING)


def _figures(log: Log, seconds: float, peak: float, before: int, seen: Seen) -> dict[str, float]:
    late = log.due >= BEGINNING
    alive, asked = np.array(seen.live), np.array(seen.at) - log.began
    return {
        "peak": peak,
        "share": _goodput(log, seconds) / peak,
        "p99 of answers": log.latency(99, late & (log.status == 200)),
        "rejected": float(np.mean(np.isin(log.status, (429, 503)))),
        "p99 of rejections": log.latency(99, late & np.isin(log.status, (429, 503))),
        "other": int(np.sum(~np.isin(log.status, (200, 429, 503)))),
        "p99 of livez": float(np.percentile(alive[(asked >= BEGINNING) & (asked <= seconds)], 99)),
        "livez at first": float(np.max(alive[(asked >= 0) & (asked < BEGINNING)], initial=0.0)),
        "memory": max(seen.memory) / before,
    }


@contextmanager
def _probing(server: Server, cores: set[int]) -> Iterator[Seen]:
    """Ask whether the server is alive, each time on a new connection as Kubernetes does, and weigh it; from `cores`."""
    seen, stop = Seen(), Event()

    def probe() -> None:
        os.sched_setaffinity(0, cores)  # this thread's
        for number in count():
            if stop.is_set():
                return
            began = monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            try:
                connection.request("GET", LIVE[server.peer.name])
                alive = connection.getresponse().status == 200
            except OSError:
                alive = False
            finally:
                connection.close()
            seen.at.append(began)
            seen.live.append(monotonic() - began if alive else float("inf"))
            if number % WEIGHED_EVERY == 0:
                seen.memory.append(server.tree.pss())
            sleep(PROBE_SECONDS)

    thread = Thread(target=probe)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def report(rounds: list[dict[str, Any]]) -> None:
    """One table; the bars are eyas's."""
    figures = {
        "peak": ("peak requests/s", 0, 1, None),
        "share": ("goodput / peak", 2, 1, at_least(0.9)),
        "p99 of answers": ("answers p99 ms", 0, 1e3, None),
        "rejected": ("rejected %", 0, 100, None),
        "p99 of rejections": ("rejections p99 ms", 0, 1e3, at_most(0.05, " s")),
        "other": ("neither", 0, 1, None),
        "p99 of livez": ("live p99 ms", 0, 1e3, at_most(0.1, " s")),
        "livez at first": ("live at first, worst ms", 0, 1e3, None),
        "memory": ("memory / before", 2, 1, at_most(1.2)),
    }
    rows = [
        (
            peer,
            *(
                spread([one[peer][key] for one in rounds], digits, scale)
                for key, (_, digits, scale, _) in figures.items()
            ),
        )
        for peer in rounds[0]
    ]
    if "eyas" in rounds[0]:
        bars = [bar([one["eyas"][key] for one in rounds]) if bar else "" for key, (*_, bar) in figures.items()]
        rows.append(("bars of eyas", *bars))
    columns = ("server", *(title for title, *_ in figures.values()))
    print_table(f"{TIMES} times the capacity, resnet20, json: {len(rounds)} rounds", columns, rows)
