"""A run folder from its first epoch to its last, whatever happens in between."""

from __future__ import annotations

import csv
import io as stdio
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from torch import nn

from eyas.core import io
from eyas.core.config import dump_yaml
from eyas.core.errors import ConfigError
from eyas.core.machine import usable_cores
from eyas.core.runs import RunFolder, create_run
from eyas.core.schema import Config, CustomConfig, TrainConfig
from eyas.data import Dataset
from eyas.nn import Network, build_network, save_weights
from eyas.nn.custom import source_file
from eyas.nn.weights import CUSTOM_SOURCE
from eyas.train.callbacks import Callback, EpochRow
from eyas.train.checkpoint import Position, check_same, read_checkpoint, restore_checkpoint, save_checkpoint
from eyas.train.loop import Job, batches, fit, to_device
from eyas.train.optimisers import make_optimizer
from eyas.train.precision import Precision, choose_precision
from eyas.train.scaling import fit_scaling
from eyas.train.stopping import Stopping


@dataclass(frozen=True)
class TrainResult:
    """What came of a run."""

    run: RunFolder
    history: list[EpochRow]
    best: EpochRow | None
    """The epoch whose weights `best.pt` holds; None where not one epoch was finished."""
    finished: bool
    """False where Ctrl-C stopped it."""
    parameters: int
    """Trainable."""
    precision: Precision


def start_run(config: Config, dataset: Dataset, callbacks: Sequence[Callback] = ()) -> TrainResult:
    """Train in a new run folder.

    Raises:
        ConfigError: a device that is not there, a monitored split that is empty, a network that does not fit.
        DivergenceError: the loss is no longer a finite number.
    """
    check_config(config, dataset)
    network, scaling = _network(config, dataset)  # before the folder: a network that cannot be built leaves none
    run = create_run(config, config.name or f"{dataset.name}-{_model_name(config)}")
    if isinstance(config.model, CustomConfig):
        shutil.copy(source_file(config.model), run.path / CUSTOM_SOURCE)
    return _train(run, config, dataset, network, scaling, callbacks)


def resume_run(
    run: RunFolder, dataset: Dataset, callbacks: Sequence[Callback] = (), config: Config | None = None
) -> TrainResult:
    """Go on where the run stopped, as if it had never stopped.

    Args:
        config: the run's own, or one that differs only where `checkpoint.MAY_CHANGE` allows.

    Raises:
        ResumeError: another dataset, or another configuration.
    """
    config = config or run.config()
    check_same(run.config(), config, run.path)
    check_config(config, dataset)
    copy = run.path / CUSTOM_SOURCE
    network, scaling = _network(config, dataset, copy if copy.exists() else None)
    return _train(run, config, dataset, network, scaling, callbacks)


def check_config(config: Config, dataset: Dataset) -> None:
    """What the schema alone cannot see.

    Raises:
        ConfigError: names the key, the rule and what it got.
    """
    train = config.train
    if train.monitor.startswith("val") and not len(dataset.val):
        raise ConfigError(
            f"train.monitor={train.monitor} needs a validation split, got none; "
            f"set data.val_fraction=0.1 or train.monitor={train.monitor.removeprefix('val_')}"
        )
    if train.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("train.device=cuda needs a CUDA GPU and a CUDA build of torch, got neither; use auto or cpu")
    if train.nesterov and not (train.optimizer == "sgd" and train.momentum > 0):
        raise ConfigError("train.nesterov needs train.optimizer=sgd and train.momentum above 0")
    if train.momentum and train.optimizer not in ("sgd", "rmsprop"):
        raise ConfigError(f"train.momentum is for sgd and rmsprop; {train.optimizer} would ignore {train.momentum:g}")
    if train.weight_decay is not None and train.optimizer != "adamw":
        raise ConfigError(
            f"train.weight_decay is for adamw; {train.optimizer} would ignore {train.weight_decay:g} "
            "(model.l2 is for all)"
        )
    if train.warmup_epochs and (train.schedule == "one_cycle" or train.warmup_epochs >= train.epochs):
        raise ConfigError(
            f"train.warmup_epochs must be below train.epochs={train.epochs}, and 0 with one_cycle, which warms up by "
            f"itself; got {train.warmup_epochs:g} with {train.schedule}"
        )
    if isinstance(train.class_weight, dict) and (unknown := train.class_weight.keys() - set(dataset.classes)):
        raise ConfigError(f"train.class_weight names no class of {dataset.name}: {', '.join(sorted(unknown))}")


def _network(
    config: Config, dataset: Dataset, file: Path | None = None
) -> tuple[Network, tuple[list[float], list[float]]]:
    torch.manual_seed(config.train.seed)
    scaling = fit_scaling(dataset.train, config.data.normalize)
    network = build_network(config.model, dataset.policy.shape, len(dataset.classes), *scaling, file)
    normed = any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in network.modules())
    if config.train.batch_size == 1 and normed:
        raise ConfigError("train.batch_size must be at least 2 for a network with batch norm, got 1")
    return network, scaling


def _train(
    run: RunFolder,
    config: Config,
    dataset: Dataset,
    network: Network,
    scaling: tuple[list[float], list[float]],
    callbacks: Sequence[Callback],
) -> TrainResult:
    device = _device(config.train)
    torch.set_num_threads(config.train.threads or usable_cores())
    network.to(device)
    optimizer = make_optimizer(config.train, network.parameters())
    stopping = Stopping.of(config.train.monitor, config.train.early_stopping, config.train.reduce_on_plateau)
    state = read_checkpoint(run.last, dataset)
    precision = state["precision"] if state else _precision(config.train, network, dataset, device)
    position = restore_checkpoint(state, network, optimizer, stopping) if state else Position()
    io.write_text(run.config_file, dump_yaml(config))  # a continuation may have changed what it is allowed to
    write_history(run.history, position.history)  # a kill may have come between last.pt and this

    def save() -> None:
        save_checkpoint(
            run.last, network, optimizer, stopping, position, precision=precision, fingerprint=dataset.fingerprint
        )
        write_history(run.history, position.history)

    def save_best(row: EpochRow) -> None:
        save_weights(
            run.best,
            network,
            epoch=row.epoch,
            classes=list(dataset.classes),
            input_shape=list(dataset.policy.shape),
            mean=scaling[0],
            std=scaling[1],
            fingerprint=dataset.fingerprint,
        )

    job = Job(
        network, optimizer, stopping, position, dataset, config.train, device, precision, callbacks, save, save_best
    )
    finished = fit(job)
    best = next((row for row in position.history if row.epoch == stopping.best.best_epoch), None)
    return TrainResult(run, position.history, best, finished, network.trainable_parameters(), precision)


def write_history(file: Path, history: Sequence[EpochRow]) -> None:
    """`history.csv`, whole or not at all; a missing validation value is an empty cell."""
    buffer = stdio.StringIO()
    writer = csv.DictWriter(buffer, [field.name for field in fields(EpochRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in history)
    io.write_text(file, buffer.getvalue())


def _precision(config: TrainConfig, network: Network, dataset: Dataset, device: torch.device) -> Precision:
    if config.precision != "auto":
        return config.precision
    rows = batches(len(dataset.train), config.batch_size, config.seed, 0)[0]
    return choose_precision(network, *to_device(dataset.train, rows, device))


def _device(config: TrainConfig) -> torch.device:
    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(config.device)


def _model_name(config: Config) -> str:
    return source_file(config.model).stem if isinstance(config.model, CustomConfig) else config.model.name
