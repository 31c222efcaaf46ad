"""How soon the monitor tells of a change, and how often it is wrong, beside river's tests on the confidence.

At each repeat the test images come in another order: `CLEAN` as they are, then the changed ones. Of clean requests:
the held-out and the test images are drawn apart anew each time, the tests calibrated with the first, and shown 10,000
of the others; only so are both exchangeable, and the repeats nearly independent.

Peers: ADWIN (Bifet & Gavaldà 2007) and Page–Hinkley as river has them, with its defaults, told 1 - confidence.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import numpy as np
from models import REAL, Answers, Images, Watched, calibrate, watched

from eyas.monitor.shifts import shifted
from eyas.monitor.streaming import Calibration, Monitor, MonitorConfig, Scoring

TITLE = "online"
CLEAN, CHANGED, TOGETHER = 1000, 2000, 16
LONG = 10_000
CHANGES = (
    ("noise", 100),
    ("noise", 30),
    ("noise", 10),
    ("rotate", 40),
    ("rotate", 10),
    ("translate", 0.2),
    ("translate", 0.05),
    ("blur", 2),
    ("darken", 0.5),
    ("contrast", 0.4),
    ("occlude", 0.5),
)
KNOCKED_OUT = 5


def run(options: argparse.Namespace) -> None:
    """Print the tables."""
    for name in REAL:
        model = watched(name)
        print(f"\n{name}: requests to the alarm, median of {options.repeats} (longest); alarms before the change")
        clean = model.of("test")
        for what, feed in _changes(model, clean):
            _delays(what, model.calibration, clean, feed, options.repeats)
        _false_alarms(model.of("val"), clean, 5 * options.repeats)
        _cost(model.calibration, clean)


def _changes(model: Watched, clean: Answers) -> Iterator[tuple[str, Callable[[np.ndarray], Answers]]]:
    for name, amount in CHANGES:
        changed = model.answer(_shift(clean.images[:CHANGED], name, amount))
        yield f"{name} {amount:g}", lambda rows, changed=changed: changed[rows % len(changed)]
    for k in range(KNOCKED_OUT):
        yield f"without class {k}", lambda rows, k=k: clean[rows[clean.labels[rows] != k]]


def _shift(images: Images, name: str, amount: float) -> Images:
    random = np.random.default_rng(0)
    return np.stack([shifted(image, name, amount, random) for image in images])


def _delays(
    what: str, calibration: Calibration, clean: Answers, feed: Callable[[np.ndarray], Answers], repeats: int
) -> None:
    delays: dict[str, list[float]] = {"eyas": []}
    early, kinds = Counter[str](), Counter[str]()
    for seed in range(repeats):
        order = np.random.default_rng(seed).permutation(len(clean))
        before, after = clean[order[:CLEAN]], feed(order[CLEAN:])
        monitor = Monitor(calibration, MonitorConfig(seed=seed))
        early["eyas"] += _first(monitor, before) is not None
        delays["eyas"].append(_first(monitor, after) or np.inf)
        if monitor.last_alarm:
            kinds[monitor.last_alarm.kind.value] += 1
        for peer, detector in _peers().items():
            early[peer] += _first_of(detector, before) is not None
            delays.setdefault(peer, []).append(_first_of(detector, after) or np.inf)
    found = "   ".join(f"{who} {np.median(d):5.0f} ({max(d):5.0f}) {early[who]:2}" for who, d in delays.items())
    print(f"{what:16} {found}   {dict(kinds)}", flush=True)


def _peers() -> dict[str, Any]:
    from river import drift

    return {"ADWIN": drift.ADWIN(), "Page-Hinkley": drift.PageHinkley()}


def _first(monitor: Monitor, answers: Answers) -> int | None:
    """The request, from 1, at which there was an alarm."""
    scoring = Scoring(monitor.calibration)
    for start in range(0, len(answers), TOGETHER):
        part = answers[start : start + TOGETHER]
        scores = scoring.score(part.probabilities, part.logits, part.features)
        names = [str(start + row) for row in range(len(part))]
        for row, alarm in enumerate(monitor.observe_many(names, scores, part.pixels), start=1):
            if alarm:
                return start + row
    return None


def _first_of(detector: Any, answers: Answers) -> int | None:
    for row, value in enumerate((1 - answers.probabilities.max(axis=1)).tolist(), start=1):
        detector.update(value)
        if detector.drift_detected:
            return row
    return None


def _false_alarms(held_out: Answers, test: Answers, repeats: int) -> None:
    both, count = held_out + test, Counter[str]()
    length = min(LONG, len(test))
    for seed in range(repeats):
        order = np.random.default_rng([seed, 1]).permutation(len(both))
        calibration = calibrate(both[order[: len(held_out)]])
        clean = both[order[len(held_out) :][:length]]
        count["eyas"] += _first(Monitor(calibration, MonitorConfig(seed=seed)), clean) is not None
        for peer, detector in _peers().items():
            count[peer] += _first_of(detector, clean) is not None
    said = ", ".join(f"{who} {count[who] / repeats:.1%}" for who in ("eyas", *_peers()))
    print(f"of {repeats} streams of {length} clean requests an alarm was raised in: {said}", flush=True)


def _cost(calibration: Calibration, clean: Answers) -> None:
    """One request after the other; the service takes many together, in a process beside the workers."""
    monitor, scoring, took = Monitor(calibration), Scoring(calibration), []
    for row in range(5000):
        part = clean[row : row + 1]
        began = perf_counter()
        scores = scoring.score(part.probabilities, part.logits, part.features)
        monitor.observe_many((str(row),), scores, part.pixels)
        took.append(1e6 * (perf_counter() - began))
    middle, high = np.percentile(took, [50, 99])
    print(f"scores and tests of one request alone: p50 {middle:.0f} µs, p99 {high:.0f} µs", flush=True)
