"""Whether training together is faster on this machine: by a short probe, remembered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import torch

from eyas.core.machine import cpu_name, keep_freed_memory, usable_cores
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.train.assembly import build, make_learner, precision_of
from eyas.train.augment import Augmented
from eyas.train.feed import Feed
from eyas.train.loop import batches
from eyas.train.measured import remembered
from eyas.train.step import Learner
from eyas.train.together.eligibility import can_train_together
from eyas.train.together.learner import StackedLearner
from eyas.train.workers import Workers

ROUNDS, SECONDS = 15, 3.0
# A program that is hardly faster is not worth that all its models wait for the slowest epoch.
GAIN = 1.1
NUMBERS = ("dropout", "dense_dropout", "input_dropout", "l2")


def together_pays(configs: Sequence[Config], dataset: Dataset) -> bool:
    """Whether these models are at least `GAIN` times faster together than each alone on one core.

    Compared are core-seconds for a step of one model: one program's step times its threads (`train.threads`, by default
    all cores) over B, and a step of `Learner` with one thread. So the peer is as many processes of one thread as there
    are cores, none of which hinders another.

    The answer is kept by processor, torch version, threads, B, network and batch shape. False where
    `can_train_together` has a reason against it. Torch's generator and threads are left as they were.
    """
    if can_train_together(configs):
        return False
    threads = configs[0].train.threads or usable_cores()
    identity = _identity(configs, dataset, threads)
    return bool(remembered("together", identity, lambda: _measure(configs, dataset, threads))["pays"])


def _measure(configs: Sequence[Config], dataset: Dataset, threads: int) -> dict[str, Any]:
    with torch.random.fork_rng(devices=[]):
        alone, together = _probe(configs, dataset, threads)
    pays = together * threads * GAIN < alone * len(configs)
    return {"pays": pays, "seconds_per_step": {"alone": alone, "together": together}}


def _identity(configs: Sequence[Config], dataset: Dataset, threads: int) -> str:
    """All that decides how long a step takes; of the numbers that may differ only whether any is at work."""
    model, train = configs[0].model.model_dump(), configs[0].train
    model |= {key: any(getattr(c.model, key) for c in configs) for key in NUMBERS if key in model}
    seeds = len({config.train.seed for config in configs})
    working = [any(getattr(c.train, key) for c in configs) for key in ("momentum", "label_smoothing", "weight_decay")]
    about = (len(configs), seeds, train.batch_size, train.optimizer, train.clip_norm, train.precision, *working)
    shape = (*dataset.policy.shape, len(dataset.classes))
    return f"{cpu_name()}|{torch.__version__}|{threads}|{json.dumps(model)}|{about}|{shape}"


def _probe(configs: Sequence[Config], dataset: Dataset, threads: int) -> tuple[float, float]:
    """Seconds of a step alone with one thread, and of one together: the fastest of several in turn, on copies."""
    keep_freed_memory()
    train, feed = configs[0].train, Feed(dataset.train, torch.device("cpu"))
    alone, *learners = [_learner(config, dataset, feed) for config in (configs[0], *configs)]
    stacked = StackedLearner(learners, [torch.Generator() for _ in configs])
    batch = Augmented(*feed.take(batches(len(feed), train.batch_size, train.seed, 0)[0]))
    own = batch if len({c.train.seed for c in configs}) == 1 else _for_each(batch, len(configs))
    count = len(batch.labels)
    rounds: list[tuple[float, float]] = []
    for _ in _rounds():  # as many steps of a model on either side, so that a busy machine interrupts both as often
        one = _seconds(lambda: [alone.step(batch, count, 0.5).tolist() for _ in configs], 1) / len(configs)
        rounds.append((one, _seconds(lambda: stacked.step(own, 0.5).tolist(), threads)))
    return min(one for one, _ in rounds), min(all_ for _, all_ in rounds)


def _rounds() -> Iterator[int]:
    """`ROUNDS`, or fewer where they would take more than `SECONDS`; two at least, as the first warms up."""
    started = perf_counter()
    for number in range(ROUNDS):
        if number > 1 and perf_counter() - started > SECONDS:
            return
        yield number


def _seconds(step: Callable[[], object], threads: int) -> float:
    with _threads(threads):
        started = perf_counter()
        step()
        return perf_counter() - started


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _learner(config: Config, dataset: Dataset, feed: Feed) -> Learner:
    network = build(config, dataset, workers=1).network.train()
    precision = precision_of(config.train, network, feed)
    return make_learner(config.train, dataset, network, precision, feed.device, Workers())


def _for_each(batch: Augmented, models: int) -> Augmented:
    return Augmented(torch.stack([batch.images] * models), torch.stack([batch.labels] * models))
