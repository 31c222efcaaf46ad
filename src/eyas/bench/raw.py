"""Raw ONNX Runtime: the graph alone, in processes that do nothing else."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from eyas.infer import Session
from eyas.infer.session import INPUT, OUTPUTS

SPAWN = get_context("spawn")  # a fork of a process that has threads may hang
WARM_ROUNDS = 5


class Raw:
    """Processes that each hold the graph in a session of their own. Ends with its block."""

    def __init__(self, model: Path, processes: int, threads: int) -> None:
        self._stack = ExitStack()
        self._pools = [
            self._stack.enter_context(ProcessPoolExecutor(1, SPAWN, _load, (model, threads))) for _ in range(processes)
        ]

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, images: NDArray[np.uint8], processes: int, seconds: float) -> list[float]:
        """Seconds of each of the predictions, one image each, that so many processes made at once in that time."""
        running = [pool.submit(_run, images, seconds) for pool in self._pools[:processes]]
        return [latency for one in running for latency in one.result()]


_session: Session


def _load(model: Path, threads: int) -> None:
    global _session  # of this process
    _session = Session(model, threads)


def _run(images: NDArray[np.uint8], seconds: float) -> list[float]:
    run, names = _session.runtime.run, list(OUTPUTS)
    feeds = cycle([{INPUT: images[row : row + 1]} for row in range(len(images))])
    for _ in range(WARM_ROUNDS):
        run(names, next(feeds))
    latencies: list[float] = []
    now = perf_counter()
    end = now + seconds
    while now < end:
        began = now
        run(names, next(feeds))
        now = perf_counter()
        latencies.append(now - began)
    return latencies
