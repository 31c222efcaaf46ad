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

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from eyas.core.errors import DivergenceError
from eyas.core.schema import TrainConfig
from eyas.data import Dataset, Split
from eyas.nn import Network
from eyas.train.callbacks import Callback, EpochRow
from eyas.train.checkpoint import Position
from eyas.train.optimisers import Optimizer
from eyas.train.precision import Precision, autocast
from eyas.train.schedule import rate_share
from eyas.train.stopping import Stopping

EVALUATION_BATCH = 1024


@dataclass
class Job:
    """All that the loop works on."""

    network: Network
    optimizer: Optimizer
    stopping: Stopping
    position: Position
    dataset: Dataset
    config: TrainConfig
    device: torch.device
    precision: Precision
    callbacks: Sequence[Callback]
    save: Callable[[], None]
    """Write `last.pt`."""
    save_best: Callable[[EpochRow], None]
    """Write `best.pt`."""


def fit(job: Job) -> bool:
    """Train until the epochs or the patience are used up.

    Returns:
        False where Ctrl-C stopped it; the checkpoint then stands at the last finished step.

    Raises:
        DivergenceError: the loss is no longer a finite number; the last checkpoint stays.
    """
    config, position, stopping = job.config, job.position, job.stopping
    steps = len(batches(len(job.dataset.train), config.batch_size, config.seed, 0))
    for callback in job.callbacks:
        callback.on_start(config.epochs, steps, position.epoch)

    with ctrl_c() as interrupted:
        while position.epoch < config.epochs and not stopping.stop:
            started = monotonic() - position.seconds
            if not train_epoch(job, started, interrupted):
                job.save()
                return False

            loss_sum, correct, images = position.totals
            val_loss, val_accuracy = evaluate(job, job.dataset.val) if len(job.dataset.val) else (None, None)
            require_finite(job, val_loss)
            row = EpochRow(
                epoch=position.epoch + 1,
                loss=loss_sum / images,
                accuracy=correct / images,
                val_loss=val_loss,
                val_accuracy=val_accuracy,
                learning_rate=job.optimizer.rate,
                seconds=monotonic() - started,
            )
            best, job.optimizer.base_rate = stopping.update(
                row.value(config.monitor), row.epoch, job.optimizer.base_rate
            )
            position.history.append(row)
            position.epoch, position.step, position.seconds = row.epoch, 0, 0.0
            position.totals = [0.0, 0.0, 0.0]
            if best:  # before last.pt: a kill between the two repeats this epoch and writes the same best.pt again
                job.save_best(row)
            job.save()
            for callback in job.callbacks:
                callback.on_epoch(row, best=best, patience_left=stopping.patience_left)
    return True


def train_epoch(job: Job, started: float, interrupted: Callable[[], bool]) -> bool:
    """The epoch's remaining steps; False where Ctrl-C stopped it."""
    network, position, config = job.network.train(), job.position, job.config
    class_weight = _class_weight(job)
    order = batches(len(job.dataset.train), config.batch_size, config.seed, position.epoch)
    saved = monotonic()
    for rows in order[position.step :]:
        progress = (position.epoch * len(order) + position.step + 0.5) / (config.epochs * len(order))
        job.optimizer.schedule(rate_share(config, progress))
        images, labels = to_device(job.dataset.train, rows, job.device)
        with autocast(job.device, job.precision):
            logits = network(images)
        losses = cross_entropy(logits.float(), labels, reduction="none", label_smoothing=config.label_smoothing)
        if class_weight is not None:
            losses = losses * class_weight[labels]
        loss = losses.mean() + network.penalty()
        value = loss.item()
        if not isfinite(value):
            raise DivergenceError(_diverged(f"the loss became {value}", job))
        torch.autograd.backward(loss)
        if config.clip_norm:
            clip_grad_norm_(network.parameters(), config.clip_norm)
        job.optimizer.step()
        job.optimizer.zero_grad()

        position.step += 1
        position.totals[0] += value * len(rows)
        position.totals[1] += int((logits.argmax(1) == labels).sum())
        position.totals[2] += len(rows)
        position.seconds = monotonic() - started
        loss_sum, correct, seen = position.totals
        for callback in job.callbacks:
            callback.on_step(position.step, loss_sum / seen, correct / seen)
        if interrupted():
            return False
        if monotonic() - saved > 60 * config.checkpoint_minutes:
            job.save()
            saved = monotonic()
    return True


@torch.inference_mode()
def evaluate(job: Job, split: Split) -> tuple[float, float]:
    """Mean loss (with the L2 penalty, as Keras counts it) and accuracy, at the precision of training."""
    network = job.network.eval()
    loss_sum, correct = 0.0, 0
    for start in range(0, len(split), EVALUATION_BATCH):
        rows = np.arange(start, min(start + EVALUATION_BATCH, len(split)))
        images, labels = to_device(split, rows, job.device)
        with autocast(job.device, job.precision):
            logits = network(images)
        loss_sum += float(cross_entropy(logits.float(), labels, reduction="sum"))
        correct += int((logits.argmax(1) == labels).sum())
    return loss_sum / len(split) + float(network.penalty()), correct / len(split)


def batches(images: int, batch_size: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """The rows of each step of one epoch: a shuffle decided by seed and epoch alone.

    The last batch may be short. One image alone joins the batch before it, where that has more: batch norm needs two.
    """
    order = np.random.default_rng([seed, epoch]).permutation(images)
    edges = [*range(0, images, batch_size), images]
    if batch_size > 1 and len(edges) > 2 and edges[-1] - edges[-2] == 1:
        del edges[-2]
    return [order[start:end] for start, end in pairwise(edges)]


def require_finite(job: Job, val_loss: float | None) -> None:
    """Refuse an epoch whose last step broke the network, before it is saved.

    Raises:
        DivergenceError: the validation loss, or a weight or running statistic, is not finite.
    """
    if val_loss is not None and not isfinite(val_loss):
        raise DivergenceError(_diverged(f"the validation loss became {val_loss}", job))
    for name, value in job.network.state_dict().items():
        if not torch.isfinite(value).all():
            raise DivergenceError(_diverged(f"{name} is no longer finite", job))


def to_device(split: Split, rows: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
    """(n, H, W, C) uint8 images and (n,) int64 labels."""
    images, labels = torch.from_numpy(split.take(rows)), torch.from_numpy(split.labels[rows])
    return images.to(device, non_blocking=True), labels.to(device, non_blocking=True)


@contextmanager
def ctrl_c() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C was pressed; a second press interrupts at once."""
    pressed = False

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
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


def _class_weight(job: Job) -> Tensor | None:
    """(K,) weights, or None: N / (K · N_k) where balanced, else as given by class name, 1 for the others."""
    rule, classes = job.config.class_weight, job.dataset.classes
    if rule == "none":
        return None
    if rule == "balanced":
        counts = np.bincount(job.dataset.train.labels, minlength=len(classes))
        weights = len(job.dataset.train) / (len(classes) * np.maximum(counts, 1))
    else:
        weights = np.array([rule.get(name, 1.0) for name in classes])
    return torch.tensor(weights, dtype=torch.float32, device=job.device)


def _diverged(what: str, job: Job) -> str:
    rate, epoch = job.optimizer.rate, job.position.epoch
    cures = f"train.learning_rate={rate / 10:g}" + ("" if job.precision == "fp32" else " or train.precision=fp32")
    kept = f"; last.pt holds epoch {epoch}" if epoch else ""
    return (
        f"{what} in epoch {epoch + 1}, step {job.position.step + 1}, at learning rate {rate:g}; "
        f"start a new run with {cures}{kept}"
    )
