"""What a graph in int8 or fp16 loses and gains against the float32 graph that it was made from."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from eyas.bundle import Latency, Precision, Quantisation
from eyas.core.errors import ParityError
from eyas.core.machine import cpu_name
from eyas.data import Split
from eyas.evaluate import paired_difference
from eyas.export.subject import Answers
from eyas.infer import Session

BATCHES = (1, 16)
ROUNDS = 200  # of both graphs in turn, at most
LEAST_ROUNDS = 5
SECONDS = 0.5  # for a batch size, roughly
WORTH = 1.05  # a gain below is not told from noise


def compare(
    precision: Precision, split: Split, before: Answers, after: Answers, plain: Path, model: Path, *, max_drop: float
) -> Quantisation:
    """Accuracy and answers over one split, and the speed of one thread of this machine.

    Args:
        before, after: the answers to the split by the graphs `plain` and `model`.
        max_drop: how much accuracy may fall.

    Raises:
        ParityError: it falls by more, or an answer is no number.
    """
    for name, values in after.items():
        if not np.isfinite(values).all():
            raise ParityError(
                f"the {precision} graph must give finite {name}, got NaN or infinity on the {split.name} "
                "split: its numbers outgrow the format"
            )
    one, other = (answers["probabilities"].argmax(axis=1) for answers in (before, after))
    change, interval = paired_difference(other == split.labels, one == split.labels)
    accuracies = float((one == split.labels).mean()), float((other == split.labels).mean())
    if -change > max_drop:
        raise ParityError(
            f"the {precision} graph may lose at most {max_drop:g} of accuracy (export.max_accuracy_drop), got "
            f"{-change:.4f}: from {accuracies[0]:.4f} to {accuracies[1]:.4f} on {len(one):,} {split.name} images"
        )
    return Quantisation(
        precision=precision,
        split=split.name,
        images=len(one),
        accuracy=accuracies[1],
        float32_accuracy=accuracies[0],
        change=change,
        interval=interval,
        max_drop=max_drop,
        agreement=float((one == other).mean()),
        difference=float(np.abs(before["probabilities"] - after["probabilities"]).max()),
        bytes=model.stat().st_size,
        float32_bytes=plain.stat().st_size,
        processor=cpu_name(),
        latency=_time(plain, model, split),
    )


def in_words(found: Quantisation) -> list[str]:
    """What is lost and gained, a sentence each, without full stops."""
    low, high = found.interval
    return [
        f"{found.precision} against float32 on all {found.images:,} {found.split} images: accuracy "
        f"{found.float32_accuracy:.2%} → {found.accuracy:.2%} ({found.change:+.2%}; 95 % interval {low:+.2%} to "
        f"{high:+.2%}), same class on {found.agreement:.2%}, largest difference in a probability "
        f"{found.difference:.1e}",
        f"One thread of {found.processor}: " + "; ".join(_timed(latency) for latency in found.latency),
        f"The graph's file: {_megabytes(found.float32_bytes)} → {_megabytes(found.bytes)}",
        *_verdict(found),
    ]


def _timed(latency: Latency) -> str:
    images = "1 image" if latency.images == 1 else f"{latency.images} images"
    return f"{images} {latency.float32_ms:.3g} → {latency.ms:.3g} ms ({latency.gain:.2f}× the speed)"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.3g} MB"


def _verdict(found: Quantisation) -> list[str]:
    if max(latency.gain for latency in found.latency) >= WORTH:
        return []
    return [f"{found.precision} gains no speed on this processor: float32 is as fast or faster"]


def _time(plain: Path, model: Path, split: Split) -> tuple[Latency, ...]:
    """Both graphs in turn, so that what else the machine does falls on both alike."""
    sessions = (Session(plain, threads=1), Session(model, threads=1))
    found = []
    for size in BATCHES:
        images = np.resize(split.take(slice(size)), (size, *split.take(slice(1)).shape[1:]))
        before, after = _medians(sessions, images)
        found.append(Latency(images=size, float32_ms=before * 1e3, ms=after * 1e3))
    return tuple(found)


def _medians(sessions: tuple[Session, Session], images: NDArray[np.uint8]) -> tuple[float, float]:
    """Seconds a pass of each, the first round left out."""
    seconds, began = [], perf_counter()
    for number in range(ROUNDS + 1):
        seconds.append([_seconds(session, images) for session in sessions])
        if number >= LEAST_ROUNDS and perf_counter() - began > SECONDS:
            break
    before, after = np.median(seconds[1:], axis=0)
    return float(before), float(after)


def _seconds(session: Session, images: NDArray[np.uint8]) -> float:
    began = perf_counter()
    session.run(images)
    return perf_counter() - began
