"""Latency at a steady rate: 500 requests a second, due at fixed times, whether or not those before are answered."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import numpy as np
from load import generate
from models import served
from peers import PEERS, serving

from report import at_most, print_table, spread

TITLE = "steady"
RATE = 500
WARM_SECONDS = 2
PEER = "triton"


def measure(options: Namespace) -> dict[str, Any]:
    """{peer: {kind: figures}}, with resnet20."""
    model, found = served("resnet20"), {}
    for name in options.peers:
        with serving(PEERS[name], model) as server:
            found[name] = {kind: _figures(server, kind, options) for kind in ("json", "binary") if server.takes(kind)}
    return found


def _figures(server: Any, kind: str, options: Namespace) -> dict[str, float]:
    body = server.bodies[kind]
    generate(server, body, WARM_SECONDS, "--rate", str(RATE))
    log = generate(server, body, options.seconds, "--rate", str(RATE))
    answered = log.status == 200
    waited = np.where(answered, log.seconds, np.inf)  # what is refused, however soon, was never answered
    p50, p99, worst = np.percentile(waited, (50, 99, 100), method="higher").tolist()
    return {"p50": p50, "p99": p99, "worst": worst, "failed": int(np.sum(~answered))}


def report(rounds: list[dict[str, Any]]) -> None:
    """A table for each kind."""
    for kind in ("json", "binary"):
        peers = [peer for peer in rounds[0] if all(kind in one.get(peer, {}) for one in rounds)]
        rows = []
        for peer in peers:
            own = [one[peer][kind] for one in rounds]
            times = [spread([one[key] for one in own], 1, 1e3) for key in ("p50", "p99", "worst")]
            ratios = [one["eyas"][kind]["p99"] / one[peer][kind]["p99"] for one in rounds] if "eyas" in peers else []
            bar = at_most(1, "×")(ratios) if ratios and peer == PEER else ""
            rows.append((peer, *times, sum(one["failed"] for one in own), spread(ratios, 2) if ratios else "", bar))
        columns = ("server", "p50 ms", "p99 ms", "worst ms", "failed", "p99 of eyas / it", "bar")
        if rows:
            print_table(f"{RATE} requests/s, resnet20, {kind}: {len(rounds)} rounds", columns, rows)
