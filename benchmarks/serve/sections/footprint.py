"""Seconds to the first answer, memory of the processes under load, and what the environment holds."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from load import saturate
from models import served
from peers import PEERS, Peer, serving

from report import at_most, print_table, spread

TITLE = "footprint"
NOT_ITS_OWN = ("pip", "setuptools")  # every environment has them
MB = 1e6
BARS = {"cold": 1.5, "worker": 110, "size": 220, "packages": 25}


def measure(options: Namespace) -> dict[str, Any]:
    """{peer: figures}, with resnet20."""
    model, found = served("resnet20"), {}
    for name in options.peers:
        peer = PEERS[name]
        with serving(peer, model) as server:
            saturate(server, server.bodies["json"], options.seconds)
            memory = server.tree.memory()
        size, packages = environment(peer)
        found[name] = {
            "cold": server.cold_start,
            "worker": max(rss for rss, _ in memory) / MB,
            "pss": sum(pss for _, pss in memory) / MB,
            "size": size / MB,
            "packages": packages,
        }
    return found


def environment(peer: Peer) -> tuple[int, int]:
    """Bytes of the installed packages, hard links counted once, and how many there are beside the server's own."""
    entries = [
        entry
        for entry in next((peer.python.parents[1] / "lib").glob("python*/site-packages")).iterdir()
        if not entry.name.startswith(NOT_ITS_OWN)
    ]
    files = [file for entry in entries for file in (entry.rglob("*") if entry.is_dir() else [entry])]
    sizes = {stat.st_ino: stat.st_size for file in files if _is_file(file) for stat in (file.stat(),)}
    packages = {entry.name.partition("-")[0] for entry in entries if entry.suffix == ".dist-info"}
    return sum(sizes.values()), len(packages - {peer.package})


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def report(rounds: list[dict[str, Any]]) -> None:
    """One table; the bars are eyas's."""
    digits = {"cold": 2, "worker": 0, "pss": 0, "size": 0, "packages": 0}
    rows = [
        (peer, *(spread([one[peer][key] for one in rounds], digits[key]) for key in digits))
        for peer in rounds[0]
        if all(peer in one for one in rounds)
    ]
    if "eyas" in rounds[0]:
        bars = [at_most(BARS[key])([one["eyas"][key] for one in rounds]) if key in BARS else "" for key in digits]
        rows.append(("bars of eyas", *bars))
    columns = (
        "server",
        "cold start s",
        "largest process MB (RSS)",
        "all MB (PSS)",
        "environment MB",
        "packages beside it",
    )
    print_table(f"footprint, resnet20: {len(rounds)} rounds, median (least to most)", columns, rows)
