"""The training loop of several models that take every step together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

import numpy as np
import torch
from numpy.typing import NDArray

from eyas.core.errors import DivergenceError
from eyas.train.augment import Augmented
from eyas.train.callbacks import EpochEnd, RunStart
from eyas.train.loop import Job, add_totals, batches, ctrl_c, finish_epoch, tell_epoch
from eyas.train.together.learner import StackedLearner


@dataclass
class Model:
    """One of the models that train together."""

    job: Job
    start: RunStart
    generator: torch.Generator
    """In the state in which the model's own run would have torch's: it draws the masks of dropout."""
    error: DivergenceError | None = None

    def going_on(self, epochs: int) -> bool:
        """Whether there is a step left to train."""
        return self.error is None and self.job.position.epoch < epochs and not self.job.stopping.stop

    @property
    def place(self) -> tuple[int, int, str]:
        """Finished epochs, steps of the next one, and the precision that its run began with."""
        return self.job.position.epoch, self.job.position.step, self.job.learner.precision

    @contextmanager
    def own_state(self) -> Iterator[None]:
        """Within, torch's generator is the model's, as a checkpoint keeps it."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.generator.get_state())
            yield


def fit_together(models: Sequence[Model], until: int) -> bool:
    """Train each model until epoch `until` is finished, its patience is used up, or it diverges.

    Args:
        models: those that are furthest behind take their steps first; one that diverges gets its error, and the others
            go on.

    Returns:
        False where Ctrl-C stopped it; every checkpoint then stands at the last finished step.
    """
    with ctrl_c() as interrupted:
        while group := furthest_behind([model for model in models if model.going_on(until)]):
            if not train_epoch(group, interrupted):
                return False
            ended = [(model.job, end) for model in group if (end := _finish(model))]
            for job, end in ended:
                tell_epoch(job, end)
    return True


def furthest_behind(models: Sequence[Model]) -> list[Model]:
    """Those with the fewest steps behind them; a kill may have come between the checkpoints of two models."""
    least = min((model.place for model in models), default=None)
    return [model for model in models if model.place == least]


def train_epoch(models: Sequence[Model], interrupted: Callable[[], bool]) -> bool:
    """The epoch's remaining steps; False where Ctrl-C stopped it. A model's seconds are its share of the time."""
    jobs = [model.job for model in models]
    position, config = jobs[0].position, jobs[0].learner.config
    learner = StackedLearner([job.learner for job in jobs], [model.generator for model in models])
    seeds = {job.learner.config.seed: job for job in jobs}
    orders = {seed: batches(len(jobs[0].train), config.batch_size, seed, position.epoch) for seed in seeds}
    steps = len(orders[config.seed])
    before, begun, saved = position.seconds, monotonic(), monotonic()
    for step in range(position.step, steps):
        drawn = {seed: _batch(job, orders[seed][step], step) for seed, job in seeds.items()}
        batch = drawn[config.seed] if len(drawn) == 1 else _stacked([drawn[job.learner.config.seed] for job in jobs])
        progress = (position.epoch * steps + step + 0.5) / (config.epochs * steps)
        sums = learner.step(batch, progress).tolist()
        seconds = before + (monotonic() - begun) / len(jobs)
        for model, row in zip(models, sums, strict=True):
            _count(model, row, step + 1, seconds)
        due = monotonic() - saved > 60 * config.checkpoint_minutes
        if due or interrupted():
            _checkpoint(models, learner)
            saved = monotonic()
        if interrupted():
            return False
        if all(model.error for model in models):
            break
    learner.unload()
    return True


def _batch(job: Job, rows: NDArray[np.int64], step: int) -> Augmented:
    return job.augment(*job.train.take(rows), rows, job.position.epoch, step)


def _stacked(drawn: Sequence[Augmented]) -> Augmented:
    """A batch of each model's own: (B, n, …)."""
    partners = [batch.partners for batch in drawn if batch.partners is not None]
    shares = [batch.share for batch in drawn if batch.share is not None]
    return Augmented(
        images=torch.stack([batch.images for batch in drawn]),
        labels=torch.stack([batch.labels for batch in drawn]),
        partners=torch.stack(partners) if partners else None,
        share=torch.stack(shares) if shares else None,
    )


def _count(model: Model, sums: Sequence[float], step: int, seconds: float) -> None:
    """Take in one step; a model that diverges is no longer looked at."""
    if model.error:
        return
    job, position = model.job, model.job.position
    position.step, position.seconds = step, seconds
    try:
        add_totals(job, sums)
    except DivergenceError as error:
        model.error = error
        return
    loss_sum, correct, seen = position.totals
    for callback in job.callbacks:
        callback.on_step(step, loss_sum / seen, correct / seen)


def _checkpoint(models: Sequence[Model], learner: StackedLearner) -> None:
    learner.unload()
    for model in models:
        if not model.error:
            with model.own_state():
                model.job.keeper.checkpoint()


def _finish(model: Model) -> EpochEnd | None:
    """The end of a model's epoch; None where it has diverged."""
    if model.error:
        return None
    try:
        with model.own_state():
            return finish_epoch(model.job, monotonic() - model.job.position.seconds)
    except DivergenceError as error:
        model.error = error
        return None
