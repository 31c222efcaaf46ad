"""The training loop, from top to bottom."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from time import monotonic
from types import FrameType
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eyas.core.errors import DivergenceError
from eyas.train.augment import Augment
from eyas.train.callbacks import Callback, EpochEnd
from eyas.train.feed import Feed
from eyas.train.progress.checkpoint import Position
from eyas.train.progress.flat import warn_if_flat
from eyas.train.progress.history import EpochRow
from eyas.train.progress.keeper import Keeper
from eyas.train.progress.stopping import Stopping
from eyas.train.step import Learner
from eyas.train.validation import Validation, validate

# Steps between two readings of the loss. It makes the host wait for a GPU; on a CPU, nothing waits.
STEPS_UNREAD = {"cpu": 1, "cuda": 50}

Ending = Literal["finished", "paused", "interrupted"]


@dataclass
class Job:
    """All that the loop works on."""

    learner: Learner
    train: Feed
    val: Feed
    augment: Augment
    stopping: Stopping
    position: Position
    keeper: Keeper
    callbacks: Sequence[Callback]
    """None in any process but the main one."""
    until: int | None = None
    """Pause after this epoch; everything still unfolds over `train.epochs`."""

    @property
    def best(self) -> EpochRow | None:
        """The epoch whose weights `best.pt` holds."""
        return next((row for row in self.position.history if row.epoch == self.stopping.best.best_epoch), None)


def fit(job: Job) -> Ending:
    """Train until the epochs or the patience are used up, or until `job.until`.

    Returns:
        `paused` where epochs are left; `interrupted` where Ctrl-C stopped it, and the checkpoint stands at the last
        finished step.

    Raises:
        DivergenceError: the loss is no longer a finite number; the last checkpoint stays.
    """
    config, position, stopping = job.learner.config, job.position, job.stopping
    last = config.epochs if job.until is None else min(job.until, config.epochs)
    with ctrl_c(job.learner.workers.count) as interrupted:
        while position.epoch < last and not stopping.stop:
            started = monotonic() - position.seconds
            if not train_epoch(job, started, interrupted):
                job.keeper.checkpoint()
                return "interrupted"

            tell_epoch(job, finish_epoch(job, started))
    return "finished" if stopping.stop or position.epoch >= config.epochs else "paused"


def finish_epoch(job: Job, started: float) -> EpochEnd:
    """Validate, judge and keep the epoch whose last step is done.

    Raises:
        DivergenceError: as `require_finite`.
    """
    config, position, stopping = job.learner.config, job.position, job.stopping
    found = validate(job.learner, job.val) if len(job.val) else None
    require_finite(job, found)
    row = epoch_row(job, found, monotonic() - started)
    best, job.learner.optimizer.base_rate = stopping.update(
        row.value(config.monitor), row.epoch, job.learner.optimizer.base_rate
    )
    position.finish(row)
    if best:  # before last.pt: a kill between the two repeats this epoch and writes the same best.pt again
        job.keeper.best(row)
    job.keeper.checkpoint()
    return EpochEnd(row, best, stopping.patience_left, found.predictions if found else None)


def tell_epoch(job: Job, end: EpochEnd) -> None:
    """Callbacks hear of the epoch; a person, where nothing is learnt."""
    for callback in job.callbacks:
        callback.on_epoch(end)
    if job.learner.workers.main:
        warn_if_flat(job.position.history, job.train.split.labels, job.learner.optimizer.base_rate)


def train_epoch(job: Job, started: float, interrupted: Callable[[], bool]) -> bool:
    """The epoch's remaining steps; False where Ctrl-C stopped it."""
    learner, position, config = job.learner, job.position, job.learner.config
    learner.network.train()
    order = batches(len(job.train), config.batch_size, config.seed, position.epoch, 2 * learner.workers.count)
    patience = STEPS_UNREAD[job.train.device.type]
    unread: list[Tensor] = []
    saved = monotonic()
    for rows in order[position.step :]:
        own = learner.workers.shard(rows)
        batch = job.augment(*job.train.take(own), own, position.epoch, position.step, learner.workers.rank)
        progress = (position.epoch * len(order) + position.step + 0.5) / (config.epochs * len(order))
        unread.append(learner.step(batch, len(rows), progress))
        position.step += 1
        if len(unread) < patience and position.step < len(order):
            continue

        read_totals(job, unread)
        position.seconds = monotonic() - started
        loss_sum, correct, seen = position.totals
        for callback in job.callbacks:
            callback.on_step(position.step, loss_sum / seen, correct / seen)
        stop, due = learner.workers.any(interrupted(), monotonic() - saved > 60 * config.checkpoint_minutes)
        if stop:
            return False
        if due:
            job.keeper.checkpoint()
            saved = monotonic()
    return True


def read_totals(job: Job, unread: list[Tensor]) -> None:
    """Add the steps that nobody has looked at yet to the epoch's totals, and forget them.

    Raises:
        DivergenceError: the loss of one of them is not finite.
    """
    sums = job.learner.workers.all_reduce(torch.stack(unread).sum(0) if len(unread) > 1 else unread[0]).tolist()
    unread.clear()
    add_totals(job, sums)


def add_totals(job: Job, sums: Sequence[float]) -> None:
    """Add summed loss, right answers and images to the epoch's totals.

    Raises:
        DivergenceError: the loss is not finite.
    """
    if not isfinite(sums[0]):
        raise DivergenceError(_diverged(f"the loss became {sums[0]}", job))
    job.position.totals = [total + new for total, new in zip(job.position.totals, sums, strict=True)]


def epoch_row(job: Job, found: Validation | None, seconds: float) -> EpochRow:
    """The epoch in figures."""
    loss_sum, correct, images = job.position.totals
    scores = found.scores if found else None
    return EpochRow(
        epoch=job.position.epoch + 1,
        loss=loss_sum / images,
        accuracy=correct / images,
        val_loss=found.loss if found else None,
        val_accuracy=scores.accuracy if scores else None,
        val_top5=scores.top5 if scores else None,
        val_balanced_accuracy=scores.balanced_accuracy if scores else None,
        val_macro_f1=scores.macro_f1 if scores else None,
        val_ece=scores.ece if scores else None,
        learning_rate=job.learner.optimizer.rate,
        seconds=seconds,
    )


def batches(images: int, batch_size: int, seed: int, epoch: int, least: int = 2) -> list[NDArray[np.int64]]:
    """The rows of each step of one epoch: a shuffle decided by seed and epoch alone.

    The last batch may be short. One of fewer than `least` images joins the batch before it, where there is one and
    batches have as many themselves: batch norm needs two images in every process.
    """
    order = np.random.default_rng([seed, epoch]).permutation(images)
    edges = [*range(0, images, batch_size), images]
    if batch_size >= least and len(edges) > 2 and edges[-1] - edges[-2] < least:
        del edges[-2]
    return [order[start:end] for start, end in pairwise(edges)]


def require_finite(job: Job, found: Validation | None) -> None:
    """Refuse an epoch whose last step broke the network, before it is saved.

    Raises:
        DivergenceError: the validation loss, or a weight or running statistic, is not finite.
    """
    if found and not isfinite(found.loss):
        raise DivergenceError(_diverged(f"the validation loss became {found.loss}", job))
    for name, value in job.learner.network.state_dict().items():
        if not torch.isfinite(value).all():
            raise DivergenceError(_diverged(f"{name} is no longer finite", job))


@contextmanager
def ctrl_c(processes: int = 1) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C was pressed; a second press interrupts at once.

    Not so among several processes: there the launcher passes on the press that the terminal has sent already.
    """
    pressed = False

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed and processes == 1:
            raise KeyboardInterrupt
        pressed = True

    try:
        before = signal.signal(signal.SIGINT, on_signal)
    except ValueError:  # signals belong to the main thread; elsewhere the caller's handling stands
        yield lambda: False
        return
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _diverged(what: str, job: Job) -> str:
    rate, base, epoch = job.learner.optimizer.rate, job.learner.optimizer.base_rate, job.position.epoch
    fp32 = job.learner.precision == "fp32"
    cures = f"train.learning_rate={base / 10:g}" + ("" if fp32 else " or train.precision=fp32")
    kept = f"; last.pt holds epoch {epoch}" if epoch else ""
    return (
        f"{what} in epoch {epoch + 1}, step {job.position.step}, at learning rate {rate:g}; "
        f"start a new run with {cures}{kept}"
    )
