"""Serve the same model from eyas and from its peers, in turn, and print the ratios.

    make bench-serve                                                          everything, 5 rounds (about 2 hours)
    make bench-serve BENCH="--sections throughput --peers eyas triton --rounds 3"

Needs wrk (Debian: apt-get install wrk). Every server has two workers and one ONNX Runtime thread in each, runs from an
environment of its own (build/peers-serve, from benchmarks/serve/locks), and is measured alone: started, checked to
give the right answer, warmed up, loaded, stopped. One round measures every server once, raw ONNX Runtime among them;
ratios are taken within a round, and their median is printed with the least and the most. The peer that is measured
first moves on by one each round. Of the kinds of bodies, `json` and `image` are each peer's own dialect (Triton's and
MLServer's is the Open Inference Protocol's), `binary` and `oip json` that protocol's, where a peer speaks it; what a
peer does not take is left out. In eyas, authentication, validation and metrics are on.

Each round is kept in build/bench-serve as it ends, so that a comparison that was stopped goes on; what was measured
with other code of eyas or of the benchmark, or with other options, is not used.

A Python that was built with its optimisations (PGO, LTO), as Debian's and the official images' are, answers tiny
requests 13 to 18 % faster than one built without: make bench-serve PYTHON=/usr/bin/python3 takes Debian's.

Results, 25 November 2026, 2 cores of an AMD EPYC (Zen 3) that the load shares, Debian's Python 3.11.2, median:
ResNet-20, JSON (4 rounds)    1,093 requests/s, 0.69 of raw ONNX Runtime; eyas / Triton 0.98 (0.88 to 1.32), FastAPI 2.1
ResNet-20, binary (4 rounds)  1,257 requests/s, 0.80 of raw; eyas / Triton 1.05 (0.78 to 1.09), FastAPI without checks 1
ResNet-20, JSON (1 round)     eyas / LitServe 4.9, BentoML 5.2, Flask with tf.function 6.2, with model.predict 64
tiny, JSON (4 rounds)         6,683 requests/s; eyas / Triton 0.78, FastAPI 1.7; binary: eyas / Triton 0.92
(in all of these eyas was measured first, and JSON was its own dialect against Triton's)
500 requests/s, ResNet-20     p99 of JSON 3.4 ms (Triton 11.1), of binary 5.6 ms (Triton 9.3); 1 round
footprint                     0.92 s to the first answer (Triton 2.1), 95 MB a worker, 228 MB, 25 packages beside eyas
3 times the capacity          goodput 0.80 of the peak, rejections p99 9 ms, /livez p99 0.32 s, memory 1.01; 3 rounds
a worker killed, told to stop, a version takes over    8, 0 and 0 failed requests; 0.25 and 0.5 s to full rate; 3 rounds
300 MB of body                413, no memory more where it is announced, 26 MB in chunks (Triton: 500, 300 and 901 MB)
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from models import KEPT as MODELS
from models import served
from peers import HERE, PEERS
from sections import disturbances, footprint, large_body, overload, steady, throughput

from eyas.core.machine import cpu_name

KEPT = Path("build/bench-serve/rounds")
SOURCES = HERE.parents[1] / "src" / "eyas"
LEARNING = ("train", "tune", "compare", "diagnose", "report", "attribution", "ui")  # rooms that no server enters
TELL = ("compare.py", "report.py")  # they measure nothing
SECTIONS = {section.TITLE: section for section in (throughput, footprint, steady, overload, disturbances, large_body)}


def main() -> None:
    options = _options()
    print(f"{cpu_name()}, {len(os.sched_getaffinity(0))} cores; code {_code()}")
    for name in throughput.MODELS:
        served(name)
    for title in options.sections:
        rounds = [_round(title, index, options) for index in range(options.rounds)]
        SECTIONS[title].report(rounds)


def _round(title: str, index: int, options: argparse.Namespace) -> Any:
    """One round of a section, measured where it is not kept."""
    key = json.dumps([_code(), options.peers, options.seconds])
    file = KEPT / f"{title.replace(' ', '-')}-{sha256(key.encode()).hexdigest()[:8]}-{index}.json"
    if not file.exists():
        print(f"{title}: round {index + 1} of {options.rounds}", file=sys.stderr)
        found = SECTIONS[title].measure(_turned(options, index))
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(found, indent=1))
        partial.replace(file)
    return json.loads(file.read_text())


def _turned(options: argparse.Namespace, index: int) -> argparse.Namespace:
    """The peers in another order each round, so that none is always measured first."""
    first = index % len(options.peers)
    return argparse.Namespace(**{**vars(options), "peers": options.peers[first:] + options.peers[:first]})


def _code() -> str:
    """A hash of all that is measured, and of what measures it."""
    files = [file for file in SOURCES.rglob("*.py") if file.relative_to(SOURCES).parts[0] not in LEARNING]
    files += [file for file in HERE.rglob("*") if file.suffix in (".py", ".lua", ".lock") and file.name not in TELL]
    files += [Path("requirements.lock"), *MODELS.glob("*/model.onnx")]
    content = b"".join(file.read_bytes() for file in sorted(files))
    return sha256(content + os.path.realpath(PEERS["eyas"].python).encode()).hexdigest()[:8]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="of each load")
    return parser.parse_args()


if __name__ == "__main__":
    main()
