"""From a configuration to a job: the network as its seed draws it, and all that the loop works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from eyas.core.machine import keep_freed_memory
from eyas.core.runs import RunFolder
from eyas.core.schema import Config, PretrainedConfig, TrainConfig
from eyas.data import Dataset, Split
from eyas.nn import Network, PretrainedNetwork, build_network, fit_stem
from eyas.nn.pretrained import find_backbone, read_backbone
from eyas.nn.weights import kept_source
from eyas.train.augment import Augment
from eyas.train.beginning import begin_with, check_beginning
from eyas.train.callbacks import Callback, RunStart
from eyas.train.checks import check_network
from eyas.train.feed import Feed
from eyas.train.loop import Job, batches
from eyas.train.loss import Loss
from eyas.train.optim.choosing import make_optimizer
from eyas.train.optim.ema import MovingAverage
from eyas.train.precision import Precision, choose_precision
from eyas.train.progress.checkpoint import Position, read_checkpoint, restore_checkpoint
from eyas.train.progress.keeper import Keeper
from eyas.train.progress.stopping import Stopping
from eyas.train.scaling import fit_scaling
from eyas.train.step import Learner
from eyas.train.teacher import check_teacher, load_teacher
from eyas.train.transfer.beginning import Beginning, begin_transfer
from eyas.train.workers import Workers

# The whitened stem's 12 × 12 covariance needs no more: 5,461 images of 32×32.
STEM_BYTES = 16 << 20


@dataclass(frozen=True)
class Built:
    """A network as it was built, before anything was learnt."""

    network: Network
    scaling: tuple[list[float], list[float]]


def build(config: Config, dataset: Dataset, workers: int, run: RunFolder | None = None) -> Built:
    """The network with the weights that the seed gives it; torch's global generator stands where training begins.

    Args:
        workers: processes that share each batch.
        run: where a copy of a custom network's source, or the description of a backbone, may lie.

    Raises:
        ConfigError: the network does not fit the data or the configuration.
    """
    torch.manual_seed(config.train.seed)
    scaling = scaling_of(config, dataset, run)
    network = network_of(config, dataset, scaling, run)
    check_network(config, network, workers)
    if config.train.teacher:
        check_teacher(Path(config.train.teacher), dataset)
    if config.train.start_from and run is None:
        check_beginning(Path(config.train.start_from), network)
    return Built(network, scaling)


def network_of(
    config: Config, dataset: Dataset, scaling: tuple[list[float], list[float]], run: RunFolder | None
) -> Network:
    """A freshly initialised network; a run has what its configuration only names: a source, a backbone."""
    file = kept_source(run.path) if run else None
    return build_network(config.model, dataset.policy.shape, len(dataset.classes), *scaling, file)


def scaling_of(config: Config, dataset: Dataset, run: RunFolder | None) -> tuple[list[float], list[float]]:
    """Mean and deviation of each channel: of the training split, or those that a backbone was trained with."""
    if not isinstance(config.model, PretrainedConfig):
        return fit_scaling(dataset.train, config.data.normalize)
    file = kept_source(run.path) if run else None
    backbone = read_backbone(file) if file else find_backbone(config.model)[0]
    return list(backbone.mean), list(backbone.std)


def stopping_of(config: TrainConfig) -> Stopping:
    """A schedule lowers the rate by itself: the plateau rule is for a constant one."""
    plateau = config.reduce_on_plateau if config.schedule == "constant" else None
    return Stopping.of(config.monitor, config.early_stopping, plateau)


def assemble(
    run: RunFolder,
    config: Config,
    dataset: Dataset,
    built: Built,
    callbacks: Sequence[Callback],
    workers: Workers,
    until: int | None = None,
) -> tuple[Job, RunStart]:
    """All that the loop works on, where the run's last checkpoint stood, and what callbacks are told of it.

    Torch's global generator then stands where training goes on. The configuration and the epochs so far are written.

    Raises:
        DataError, TrainingError: as `read_checkpoint` and `restore_checkpoint`.
    """
    network, device = built.network, set_up(config.train, workers)
    network.to(device)
    state = read_checkpoint(run.last, dataset)
    begun = _begin(run, config, dataset, network, device, first=state is None)
    config, settings = begun.config, begun.config.train
    if state is None and settings.start_from:
        begin_with(Path(settings.start_from), network)
    chosen = state["precision"] if state else begun.precision
    precision = cast(Precision, workers.broadcast(chosen))
    learner = make_learner(settings, dataset, network, precision, device, workers)
    stopping = stopping_of(settings)
    position = restore_checkpoint(state, learner, stopping, run.last) if state else Position()
    if not workers.main:  # the main one goes on with the run's generator; the others must draw other masks
        torch.manual_seed(hash((settings.seed, workers.rank, position.epoch, position.step)))

    keeper = Keeper(run, dataset, built.scaling, learner, stopping, position)
    keeper.begin(config)
    steps = len(batches(len(begun.train), settings.batch_size, settings.seed, 0, 2 * workers.count))
    start = RunStart(run, config, dataset, network, precision, device.type, steps, tuple(position.history))
    job = Job(
        learner=learner,
        train=begun.train,
        val=begun.val,
        augment=begun.augment,
        stopping=stopping,
        position=position,
        keeper=keeper,
        callbacks=callbacks,
        until=until,
    )
    return job, start


def _begin(
    run: RunFolder, config: Config, dataset: Dataset, network: Network, device: torch.device, *, first: bool
) -> Beginning:
    """Weights that stand before the first step, and the feeds."""
    if isinstance(network, PretrainedNetwork):
        return begin_transfer(run, config, dataset, network, device, first=first)
    train = Feed(dataset.train, device)
    if first:
        fit_stem(network, train.take(_some_rows(dataset.train, STEM_BYTES))[0])
    augment = Augment(config.augment, dataset.policy.shape, config.train.seed, epochs=config.train.epochs)
    precision = precision_of(config.train, network, train) if first else "fp32"
    return Beginning(config, train, Feed(dataset.val, device), augment, precision)


def make_learner(
    config: TrainConfig,
    dataset: Dataset,
    network: Network,
    precision: Precision,
    device: torch.device,
    workers: Workers,
) -> Learner:
    """A network and what `config` has it moved by, on the device."""
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


def precision_of(config: TrainConfig, network: Network, feed: Feed) -> Precision:
    """What `train.precision` names; where it is `auto`, by `choose_precision`."""
    if config.precision != "auto":
        return config.precision
    return choose_precision(network, *feed.take(batches(len(feed), config.batch_size, config.seed, 0)[0]))


def _some_rows(split: Split, size: int) -> NDArray[np.int64]:
    """Rows of at most `size` bytes of images, spread evenly over the split."""
    count = max(2, size // split.images[0].nbytes)
    return np.unique(np.linspace(0, len(split) - 1, count).astype(np.int64))
