"""A run folder from its first epoch to its last, whatever happens in between."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyas.core.errors import ResumeError
from eyas.core.lives import Ended, Life, living
from eyas.core.runs import RunFolder, create_run
from eyas.core.schema import Config, PretrainedConfig, TrainConfig
from eyas.data import Dataset
from eyas.nn import load_weights
from eyas.nn.pretrained import find_backbone
from eyas.nn.weights import keep_source, source_of
from eyas.train.assembly import Built, assemble, build, device_kind, network_of, precision_of, set_up, stopping_of
from eyas.train.beginning import first_difference
from eyas.train.callbacks import Callback, RunEnd, RunStart
from eyas.train.checks import check_config
from eyas.train.feed import Feed
from eyas.train.imported import is_imported
from eyas.train.loop import Ending, Job, fit
from eyas.train.precision import Precision
from eyas.train.progress.checkpoint import check_same, read_checkpoint
from eyas.train.progress.history import EpochRow
from eyas.train.workers import Workers, join


@dataclass(frozen=True)
class TrainResult:
    """What came of a run."""

    run: RunFolder
    history: list[EpochRow]
    best: EpochRow | None
    """The epoch whose weights `best.pt` holds; None where not one epoch was finished."""
    finished: bool
    """False where Ctrl-C stopped it, or where it paused."""
    parameters: int
    """Trainable."""
    precision: Precision
    paused: bool = False
    """It reached the epoch that it was to pause after, and epochs are left."""


def start_run(
    config: Config,
    dataset: Dataset,
    callbacks: Sequence[Callback] = (),
    target: Path | None = None,
    until: int | None = None,
) -> TrainResult:
    """Train in a new run folder.

    In a process that torchrun started, every process of the group calls this; the main one makes the folder.

    Args:
        target: exactly this folder, which must not exist; by default the next free `<runs_dir>/<name>-<n>`.
        until: pause after this epoch; None: train to the end.

    Raises:
        ConfigError: the target exists, a device that is not there, a monitored split that is empty, a network that
            does not fit.
        DivergenceError: the loss is no longer a finite number.
    """
    check_config(config, dataset)
    workers = join(config.train.workers, device_kind(config.train))
    built = build(config, dataset, workers.count)  # before the folder: what cannot be built leaves none
    path = str(create_folder(config, dataset, target).path) if workers.main else ""
    return _train(RunFolder(Path(workers.broadcast(path))), config, dataset, built, callbacks, workers, until)


def prepare_run(config: Config, dataset: Dataset, target: Path | None = None) -> RunFolder:
    """A new run folder, not trained, with all that `resume_run` needs to begin.

    Raises:
        ConfigError: as `start_run`; no folder is made.
    """
    check_config(config, dataset)
    build(config, dataset, config.train.workers)
    return create_folder(config, dataset, target)


def create_folder(config: Config, dataset: Dataset, target: Path | None) -> RunFolder:
    """A new run folder, with a copy of the source of a custom or Keras network, or with a backbone's description."""
    model = config.model
    source = source_of(model)
    backbone = find_backbone(model)[0] if isinstance(model, PretrainedConfig) else None
    name = source.stem if source else backbone.architecture.partition(".")[0] if backbone else model.name
    run = create_run(config, config.name or f"{dataset.name}-{name}", target)
    keep_source(model, run.path)
    if backbone:
        backbone.write(run.path)
    return run


def resume_run(
    run: RunFolder,
    dataset: Dataset,
    callbacks: Sequence[Callback] = (),
    config: Config | None = None,
    until: int | None = None,
) -> TrainResult:
    """Go on where the run stopped, as if it had never stopped: with one process, to the last bit.

    Args:
        config: the run's own, or one that differs only where `checkpoint.MAY_CHANGE` allows.
        until: pause after this epoch, counted from the run's first; None: go on to the end.

    Raises:
        ResumeError: another dataset, or another configuration.
    """
    config = check_resume(run, dataset, config)
    workers = join(config.train.workers, device_kind(config.train))
    built = build(config, dataset, workers.count, run)
    return _train(run, config, dataset, built, callbacks, workers, until)


def can_begin_with(run: RunFolder, config: Config, dataset: Dataset) -> bool:
    """Whether `train.start_from` could be this run: it has weights, and they are of the same network."""
    if not run.best.exists():
        return False
    network = network_of(config, dataset, ([0.0], [1.0]), None)
    return not first_difference(load_weights(run.best)["weights"], network)


def precision_for(config: Config, dataset: Dataset) -> Precision:
    """The precision that a run of this configuration takes: what it names, or by the probe.

    Raises:
        ConfigError: as `start_run`.
    """
    check_config(config, dataset)
    device = set_up(config.train, join(1, device_kind(config.train)))
    network = build(config, dataset, 1).network.to(device)
    return precision_of(config.train, network, Feed(dataset.train, device))


def check_resume(run: RunFolder, dataset: Dataset, config: Config | None) -> Config:
    """The configuration of a continuation: `config`, or the run's own.

    Raises:
        ConfigError, ResumeError: as `resume_run`.
    """
    config = config or run.config()
    if is_imported(run):
        raise ResumeError(
            f"{run.path} was imported and has no training to go on with; train its network further in a new run: "
            f"eyas train --config {run.config_file} train.start_from={run.path}"
        )
    check_same(run.config(), config, run.path)
    check_config(config, dataset)
    return config


def read_result(run: RunFolder, dataset: Dataset) -> TrainResult:
    """What came of a run that other processes trained, from its folder."""
    config = run.config()
    state = read_checkpoint(run.last, dataset)
    parameters = network_of(config, dataset, ([0.0], [1.0]), run).trainable_parameters()
    if state is None:
        return TrainResult(run, [], None, is_imported(run), parameters, "fp32")
    best_epoch, finished = _best_and_finished(config.train, state)
    history = [EpochRow(**row) for row in state["position"]["history"]]
    best = next((row for row in history if row.epoch == best_epoch), None)
    return TrainResult(run, history, best, finished, parameters, state["precision"])


def is_finished(run: RunFolder, dataset: Dataset) -> bool:
    """`read_result(run, dataset).finished`, without building the network."""
    state = read_checkpoint(run.last, dataset)
    return is_imported(run) if state is None else _best_and_finished(run.config().train, state)[1]


def _best_and_finished(config: TrainConfig, state: dict[str, Any]) -> tuple[int, bool]:
    """The best epoch of a saved state, and whether no epoch is left to train."""
    stopping = stopping_of(config)
    stopping.restore(state["stopping"])
    return stopping.best.best_epoch, stopping.stop or len(state["position"]["history"]) >= config.epochs


def _train(
    run: RunFolder,
    config: Config,
    dataset: Dataset,
    built: Built,
    callbacks: Sequence[Callback],
    workers: Workers,
    until: int | None = None,
) -> TrainResult:
    callbacks = callbacks if workers.main else ()
    job, start = assemble(run, config, dataset, built, callbacks, workers, until)
    with ExitStack() as stack:
        life = stack.enter_context(life_of(start) if workers.main else nullcontext(Life()))
        for callback in callbacks:
            stack.callback(callback.close)
        for callback in callbacks:
            callback.on_start(start)
        result = result_of(job, start, fit(job))
        life.ended(ended_as(result))
        for callback in callbacks:
            if result.paused:
                callback.on_pause(RunEnd(False, result.best))
            else:
                callback.on_end(RunEnd(result.finished, result.best))
    return result


def life_of(start: RunStart) -> AbstractContextManager[Life]:
    """The run is being trained, and says so in its folder."""
    network = {"precision": start.precision, "device": start.device, "parameters": start.network.trainable_parameters()}
    return living(start.run.path, pid=os.getpid(), **network)


def ended_as(result: TrainResult) -> Ended:
    """How it has ended, in the words of `eyas.core.lives`."""
    return "finished" if result.finished else "paused" if result.paused else "stopped"


def result_of(job: Job, start: RunStart, ending: Ending) -> TrainResult:
    """What came of a job, now that the loop is through with it."""
    return TrainResult(
        run=start.run,
        history=job.position.history,
        best=job.best,
        finished=ending == "finished",
        parameters=job.learner.network.trainable_parameters(),
        precision=job.learner.precision,
        paused=ending == "paused",
    )
