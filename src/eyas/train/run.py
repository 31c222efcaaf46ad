"""A run folder from its first epoch to its last, whatever happens in between."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from eyas.core.machine import keep_freed_memory
from eyas.core.runs import RunFolder, create_run
from eyas.core.schema import Config, CustomConfig, TrainConfig
from eyas.data import Dataset, Split
from eyas.nn import Network, build_network, fit_stem, load_weights
from eyas.nn.custom import source_file
from eyas.nn.weights import CUSTOM_SOURCE
from eyas.train.augment import Augment
from eyas.train.beginning import begin_with, check_beginning, first_difference
from eyas.train.callbacks import Callback, RunEnd, RunStart
from eyas.train.checks import check_config, check_network
from eyas.train.feed import Feed
from eyas.train.loop import Job, batches, fit
from eyas.train.loss import Loss
from eyas.train.optim.choosing import make_optimizer
from eyas.train.optim.ema import MovingAverage
from eyas.train.parallel.workers import Workers, join
from eyas.train.precision import Precision, choose_precision
from eyas.train.progress.checkpoint import Position, check_same, read_checkpoint, restore_checkpoint
from eyas.train.progress.history import EpochRow
from eyas.train.progress.keeper import Keeper
from eyas.train.progress.stopping import Stopping
from eyas.train.scaling import fit_scaling
from eyas.train.step import Learner
from eyas.train.teacher import check_teacher, load_teacher

# The whitened stem's 12 × 12 covariance needs no more: 5,461 images of 32×32.
STEM_BYTES = 16 << 20


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


@dataclass(frozen=True)
class Built:
    """A network as it was built, before anything was learnt."""

    network: Network
    scaling: tuple[list[float], list[float]]


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
    built = _build(config, dataset, workers.count)  # before the folder: what cannot be built leaves none
    path = str(_create(config, dataset, target).path) if workers.main else ""
    return _train(RunFolder(Path(workers.broadcast(path))), config, dataset, built, callbacks, workers, until)


def prepare_run(config: Config, dataset: Dataset, target: Path | None = None) -> RunFolder:
    """A new run folder, not trained, with all that `resume_run` needs to begin.

    Raises:
        ConfigError: as `start_run`; no folder is made.
    """
    check_config(config, dataset)
    _build(config, dataset, config.train.workers)
    return _create(config, dataset, target)


def _create(config: Config, dataset: Dataset, target: Path | None) -> RunFolder:
    model = config.model
    name = source_file(model).stem if isinstance(model, CustomConfig) else model.name
    run = create_run(config, config.name or f"{dataset.name}-{name}", target)
    if isinstance(model, CustomConfig):
        shutil.copy(source_file(model), run.path / CUSTOM_SOURCE)
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
    built = _build(config, dataset, workers.count, run)
    return _train(run, config, dataset, built, callbacks, workers, until)


def can_begin_with(run: RunFolder, config: Config, dataset: Dataset) -> bool:
    """Whether `train.start_from` could be this run: it has weights, and they are of the same network."""
    if not run.best.exists():
        return False
    network = _network(config, dataset, ([0.0], [1.0]), None)
    return not first_difference(load_weights(run.best)["weights"], network)


def check_resume(run: RunFolder, dataset: Dataset, config: Config | None) -> Config:
    """The configuration of a continuation: `config`, or the run's own.

    Raises:
        ConfigError, ResumeError: as `resume_run`.
    """
    config = config or run.config()
    check_same(run.config(), config, run.path)
    check_config(config, dataset)
    return config


def read_result(run: RunFolder, dataset: Dataset) -> TrainResult:
    """What came of a run that other processes trained, from its folder."""
    config = run.config()
    state = read_checkpoint(run.last, dataset)
    parameters = _network(config, dataset, ([0.0], [1.0]), run).trainable_parameters()
    if state is None:
        return TrainResult(run, [], None, False, parameters, "fp32")
    stopping = _stopping(config.train)
    stopping.restore(state["stopping"])
    history = [EpochRow(**row) for row in state["position"]["history"]]
    best = next((row for row in history if row.epoch == stopping.best.best_epoch), None)
    finished = stopping.stop or len(history) >= config.train.epochs
    return TrainResult(run, history, best, finished, parameters, state["precision"])


def _build(config: Config, dataset: Dataset, workers: int, run: RunFolder | None = None) -> Built:
    torch.manual_seed(config.train.seed)
    scaling = fit_scaling(dataset.train, config.data.normalize)
    network = _network(config, dataset, scaling, run)
    check_network(config, network, workers)
    if config.train.teacher:
        check_teacher(Path(config.train.teacher), dataset)
    if config.train.start_from and run is None:
        check_beginning(Path(config.train.start_from), network)
    return Built(network, scaling)


def _network(
    config: Config, dataset: Dataset, scaling: tuple[list[float], list[float]], run: RunFolder | None
) -> Network:
    """A run has a copy of a custom network's source."""
    copy = run.path / CUSTOM_SOURCE if run else None
    file = copy if copy and copy.exists() else None
    return build_network(config.model, dataset.policy.shape, len(dataset.classes), *scaling, file)


def _stopping(config: TrainConfig) -> Stopping:
    """A schedule lowers the rate by itself: the plateau rule is for a constant one."""
    plateau = config.reduce_on_plateau if config.schedule == "constant" else None
    return Stopping.of(config.monitor, config.early_stopping, plateau)


def _train(
    run: RunFolder,
    config: Config,
    dataset: Dataset,
    built: Built,
    callbacks: Sequence[Callback],
    workers: Workers,
    until: int | None = None,
) -> TrainResult:
    settings, network = config.train, built.network
    callbacks = callbacks if workers.main else ()
    device = set_up(settings, workers)
    train = Feed(dataset.train, device)
    network.to(device)

    state = read_checkpoint(run.last, dataset)
    if state is None:
        fit_stem(network, train.take(_some_rows(dataset.train, STEM_BYTES))[0])
        if settings.start_from:
            begin_with(Path(settings.start_from), network)
    precision = cast(
        Precision, workers.broadcast(state["precision"] if state else _precision(settings, network, train))
    )
    learner = _learner(settings, dataset, network, device, precision, workers)
    stopping = _stopping(settings)
    position = restore_checkpoint(state, learner, stopping, run.last) if state else Position()
    if not workers.main:  # the main one goes on with the run's generator; the others must draw other masks
        torch.manual_seed(hash((settings.seed, workers.rank, position.epoch, position.step)))

    keeper = Keeper(run, dataset, built.scaling, learner, stopping, position)
    keeper.begin(config)
    steps = len(batches(len(train), settings.batch_size, settings.seed, 0, 2 * workers.count))
    start = RunStart(run, config, dataset, network, precision, device.type, steps, tuple(position.history))
    job = Job(
        learner=learner,
        train=train,
        val=Feed(dataset.val, device),
        augment=Augment(config.augment, dataset.policy.shape, settings.seed),
        stopping=stopping,
        position=position,
        keeper=keeper,
        callbacks=callbacks,
        until=until,
    )
    with ExitStack() as stack:
        for callback in callbacks:
            stack.callback(callback.close)
        for callback in callbacks:
            callback.on_start(start)
        outcome = fit(job)
        finished, paused = outcome == "finished", outcome == "paused"
        best = next((row for row in position.history if row.epoch == stopping.best.best_epoch), None)
        for callback in callbacks:
            if paused:
                callback.on_pause(RunEnd(False, best))
            else:
                callback.on_end(RunEnd(finished, best))
    return TrainResult(run, position.history, best, finished, network.trainable_parameters(), precision, paused)


def _learner(
    config: TrainConfig,
    dataset: Dataset,
    network: Network,
    device: torch.device,
    precision: Precision,
    workers: Workers,
) -> Learner:
    forward = workers.shared(network)
    return Learner(
        network=network,
        forward=torch.compile(forward) if config.compile else forward,
        average=MovingAverage(network, config.ema) if config.ema else None,
        optimizer=make_optimizer(config, network, precision),
        loss=Loss.of(config, dataset, device),
        teacher=load_teacher(Path(config.teacher), device, precision) if config.teacher else None,
        config=config,
        precision=precision,
        workers=workers,
    )


def set_up(config: TrainConfig, workers: Workers) -> torch.device:
    """This process's threads, memory and device; on a GPU TF32 for float32, and the fastest convolutions by trial."""
    torch.set_num_threads(config.threads or workers.threads())
    keep_freed_memory()
    device = workers.device(device_kind(config))
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    return device


def device_kind(config: TrainConfig) -> str:
    """`cpu` or `cuda`."""
    if config.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return config.device


def precision_of(config: Config, dataset: Dataset) -> Precision:
    """The precision that a run of this configuration takes: what it names, or by the probe.

    Raises:
        ConfigError: as `start_run`.
    """
    check_config(config, dataset)
    workers = join(1, device_kind(config.train))
    device = set_up(config.train, workers)
    network = _build(config, dataset, 1).network.to(device)
    return _precision(config.train, network, Feed(dataset.train, device))


def _precision(config: TrainConfig, network: Network, feed: Feed) -> Precision:
    if config.precision != "auto":
        return config.precision
    return choose_precision(network, *feed.take(batches(len(feed), config.batch_size, config.seed, 0)[0]))


def _some_rows(split: Split, size: int) -> NDArray[np.int64]:
    """Rows of at most `size` bytes of images, spread evenly over the split."""
    count = max(2, size // split.images[0].nbytes)
    return np.unique(np.linspace(0, len(split) - 1, count).astype(np.int64))
