"""Requests a second under 16 connections, every peer and raw ONNX Runtime in the same round."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from load import raw, saturate
from models import served
from peers import PEERS, serving

from report import at_least, print_table, spread

TITLE = "throughput"
MODELS = ("resnet20", "tiny")
KINDS = ("json", "binary", "image", "oip json")
RAW = "raw"
# (model, kind, peer) → how many times that peer's rate eyas must reach.
BARS = {
    ("resnet20", "json", "flask tf.function"): 4,
    ("resnet20", "json", "flask model.predict"): 40,
    ("resnet20", "json", "fastapi"): 1.6,
    ("resnet20", "json", "litserve"): 2.5,
    ("resnet20", "json", "bentoml"): 2.5,
    ("resnet20", "json", "triton"): 1,
    ("resnet20", "oip json", "triton"): 1,
    ("resnet20", "binary", "triton"): 1,
    ("resnet20", "json", RAW): 0.5,
    ("resnet20", "binary", RAW): 0.7,
    ("tiny", "json", "fastapi"): 2.5,  # 6,000 requests a second where FastAPI does 2,400
}


def measure(options: Namespace) -> dict[str, Any]:
    """{model: {kind: {peer: figures}}}."""
    found: dict[str, Any] = {}
    for name in MODELS:
        model = served(name)
        kinds: dict[str, Any] = {kind: {RAW: {"rate": raw(model, options.seconds), "failed": 0}} for kind in KINDS}
        for peer in options.peers:
            with serving(PEERS[peer], model) as server:
                for kind in KINDS:
                    if server.takes(kind):
                        kinds[kind][peer] = saturate(server, server.bodies[kind], options.seconds)
        found[name] = kinds
    return found


def report(rounds: list[dict[str, Any]]) -> None:
    """A table for each model and kind of body."""
    for model in MODELS:
        for kind in KINDS:
            peers = [peer for peer in rounds[0][model][kind] if all(peer in one[model][kind] for one in rounds)]
            if peers != [RAW]:
                rows = [_row(model, kind, peer, [one[model][kind] for one in rounds]) for peer in peers]
                columns = ("server", "requests/s", "p50 ms", "p99 ms", "cpu ms", "failed", "eyas / it", "bar")
                print_table(f"{model}, {kind}: {len(rounds)} rounds, median (least to most)", columns, rows)


def _row(model: str, kind: str, peer: str, rounds: list[dict[str, Any]]) -> tuple[object, ...]:
    own = [one[peer] for one in rounds]
    times = [spread([one[key] for one in own], 2, 1e3) if key in own[0] else "" for key in ("p50", "p99", "cpu")]
    rates = [(one["eyas"]["rate"], one[peer]["rate"]) for one in rounds if "eyas" in one]
    ratios = [ours / theirs if theirs else float("inf") for ours, theirs in rates]
    bar = BARS.get((model, kind, peer))
    return (
        peer,
        spread([one["rate"] for one in own]),
        *times,
        sum(one["failed"] for one in own),
        spread(ratios, 2) if ratios else "",
        at_least(bar, "×")(ratios) if ratios and bar else "",
    )
