"""Several run folders from one program, each such as a run of its own would leave it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from eyas.core.errors import ConfigError, DivergenceError
from eyas.core.runs import RunFolder, require_free
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.train.assembly import Built, assemble, build
from eyas.train.callbacks import Callback, RunEnd
from eyas.train.checks import check_config
from eyas.train.loop import Ending
from eyas.train.run import TrainResult, check_resume, create_folder, ended_as, life_of, result_of
from eyas.train.together.eligibility import can_train_together
from eyas.train.together.loop import Model, fit_together
from eyas.train.workers import Workers

Outcome = TrainResult | DivergenceError
"""What came of one model: the loss of one that has diverged does not stop the others."""


def train_together(
    configs: Sequence[Config],
    dataset: Dataset,
    callbacks: Sequence[Sequence[Callback]] = (),
    targets: Sequence[Path] = (),
    until: int | None = None,
) -> list[Outcome]:
    """Train a model for each configuration, in as many new run folders.

    A model gets the weights, the order of images and the masks that its own run would have, and the same losses but
    for rounding. Each run folder is an ordinary one: `resume_run` goes on with it alone.

    Args:
        configs: such as `can_train_together` lets pass.
        callbacks: those of each model, or none at all. An exception raised in one ends the training of all.
        targets: the run folder of each, none of which may exist; by default `<runs_dir>/<name>-<n>`.
        until: the last epoch to train now; `resume_together` goes on. By default `train.epochs`.

    Returns:
        For each configuration what came of it; not finished where Ctrl-C or `until` stopped it.

    Raises:
        ConfigError: these cannot be trained together; or as `start_run`, and no folder is made.
    """
    _require(configs)
    _require_as_many(len(configs), callbacks, "callbacks")
    _require_as_many(len(configs), targets, "targets")
    for config in configs:
        check_config(config, dataset)
    for target in targets:
        require_free(target)
    built = [_built(config, dataset) for config in configs]
    places: Sequence[Path | None] = targets or [None] * len(configs)
    runs = [create_folder(config, dataset, place) for config, place in zip(configs, places, strict=True)]
    return _train(runs, configs, dataset, built, callbacks, until)


def resume_together(
    runs: Sequence[RunFolder],
    dataset: Dataset,
    callbacks: Sequence[Sequence[Callback]] = (),
    until: int | None = None,
) -> list[Outcome]:
    """Go on with runs, whichever way they were trained until now; those behind catch up with the others first.

    Args:
        runs: their configurations are such as `can_train_together` lets pass.
        callbacks, until: as in `train_together`.

    Raises:
        ConfigError: they cannot be trained together.
        DataError, ResumeError: as `resume_run`.
    """
    configs = [check_resume(run, dataset, None) for run in runs]
    _require(configs)
    _require_as_many(len(configs), callbacks, "callbacks")
    return _train(runs, configs, dataset, [_built(config, dataset) for config in configs], callbacks, until)


def _train(
    runs: Sequence[RunFolder],
    configs: Sequence[Config],
    dataset: Dataset,
    built: Sequence[tuple[Built, torch.Tensor]],
    callbacks: Sequence[Sequence[Callback]],
    until: int | None,
) -> list[Outcome]:
    epochs = min(until or configs[0].train.epochs, configs[0].train.epochs)
    each = callbacks or [()] * len(configs)
    models = [_model(*parts, dataset) for parts in zip(runs, configs, built, each, strict=True)]
    with ExitStack() as stack:
        lives = [stack.enter_context(life_of(model.start)) for model in models]
        for model in models:
            for callback in model.job.callbacks:
                stack.callback(callback.close)
        for model in models:
            for callback in model.job.callbacks:
                callback.on_start(model.start)
        whole = fit_together(models, epochs)
        outcomes = [_outcome(model, whole) for model in models]
        for life, outcome in zip(lives, outcomes, strict=True):
            if isinstance(outcome, DivergenceError):
                life.ended("failed", str(outcome))
            else:
                life.ended(ended_as(outcome))
        return outcomes


def _outcome(model: Model, whole: bool) -> Outcome:
    if model.error:
        return model.error
    going_on = model.going_on(model.start.config.train.epochs)
    ending: Ending = "interrupted" if going_on and not whole else "paused" if going_on else "finished"
    result = result_of(model.job, model.start, ending)
    for callback in model.job.callbacks:
        if result.paused:
            callback.on_pause(RunEnd(False, result.best))
        else:
            callback.on_end(RunEnd(result.finished, result.best))
    return result


def _built(config: Config, dataset: Dataset) -> tuple[Built, torch.Tensor]:
    """The network as its run would build it, and torch's generator as it then stands."""
    built = build(config, dataset, workers=1)
    return built, torch.get_rng_state()


def _model(
    run: RunFolder,
    config: Config,
    built: tuple[Built, torch.Tensor],
    callbacks: Sequence[Callback],
    dataset: Dataset,
) -> Model:
    network, state = built
    torch.set_rng_state(state)
    job, start = assemble(run, config, dataset, network, callbacks, Workers())
    generator = torch.Generator()
    generator.set_state(torch.get_rng_state())
    return Model(job, start, generator)


def _require(configs: Sequence[Config]) -> None:
    if reason := can_train_together(configs):
        raise ConfigError(f"these configurations cannot be trained together: {reason}; train each in a run of its own")


def _require_as_many(count: int, given: Sequence[object], name: str) -> None:
    if given and len(given) != count:
        raise ConfigError(f"{name} must be as many as the {count} configurations, or none, got {len(given)}")
