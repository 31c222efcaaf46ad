"""What a run is, in the words that trackers use."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path
from typing import Any

from eyas import __version__
from eyas.core.config import flat_values
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.track.delivery.mlflow_store import tracking_uri, without_secrets
from eyas.track.delivery.spool import Record
from eyas.train.callbacks import RunStart
from eyas.train.optim.choosing import DEFAULT_LEARNING_RATE

BOARD_FOLDER = "tensorboard"
DIGEST_LENGTH = 32  # of the fingerprint's 64; MLflow takes 36


@dataclass(frozen=True)
class Family:
    """Where a run of several that belong together stands: MLflow nests it under its parent, W&B groups it."""

    name: str
    """Of this run, in place of its folder's name."""
    parent: str
    """The parent's folder, which has a spool too, as a path from the run folder: both may move together."""
    group: str
    """The parent's name."""
    tags: Mapping[str, str] = field(default_factory=dict)


def describe_run(start: RunStart, family: Family | None = None) -> Record:
    """The record that opens a run's spool."""
    record = opening(start.run.path.name, start.config, start.dataset)
    record["tags"] |= {
        "eyas.run": str(start.run.path.absolute()),
        "eyas.parameters": str(start.network.trainable_parameters()),
        "eyas.precision": start.precision,
        "eyas.device": start.device,
    }
    if family:
        record |= {"name": family.name, "parent": family.parent, "group": family.group}
        record["tags"] |= family.tags
    return record


def opening(name: str, config: Config, dataset: Dataset) -> Record:
    """What opens the spool of anything that is tracked with a configuration and a dataset."""
    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or dataset.name
    return {
        "kind": "start",
        "key": uuid.uuid4().hex,
        "uri": without_secrets(tracking_uri()),
        "name": name,
        "experiment": experiment,
        "project": os.environ.get("WANDB_PROJECT") or experiment,
        "entity": os.environ.get("WANDB_ENTITY"),
        "params": params(config),
        "config": config.model_dump(mode="json"),
        "tags": _tags(),
        "dataset": _describe_dataset(dataset, config),
    }


def params(config: Config) -> dict[str, str]:
    """Flat names to values: the courses' own names first, then every key of the configuration.

    Values are written as on eyas's command line: `true`, `null`, `[512]`. A dict stays one value: its keys are class
    names, which trackers may not allow as names.
    """
    train = config.train
    dropout = getattr(config.model, "dropout", None)  # a network of the user's own has none
    return {
        "epochs": str(train.epochs),
        "batch_size": str(train.batch_size),
        **({} if dropout is None else {"dropout_rate": str(dropout)}),
        "optimizer": train.optimizer,
        "learning_rate": str(train.learning_rate or DEFAULT_LEARNING_RATE[train.optimizer]),
        "seed": str(train.seed),
        **{key: value if isinstance(value, str) else json.dumps(value) for key, value in flat_values(config).items()},
    }


def _tags() -> dict[str, str]:
    tags = {
        "eyas.version": __version__,
        "mlflow.source.name": "eyas train",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": _user(),
        "mlflow.source.git.commit": _commit(),
    }
    return {name: value for name, value in tags.items() if value}


def _describe_dataset(dataset: Dataset, config: Config) -> dict[str, str]:
    """The fields of an MLflow dataset."""
    return {
        "name": dataset.name,
        "digest": dataset.fingerprint[:DIGEST_LENGTH],
        "source_type": "eyas",
        "source": json.dumps({"uri": config.data.source}),
        "profile": json.dumps(
            {"classes": len(dataset.classes), **{split.name: len(split) for split in dataset.splits}}
        ),
    }


def _user() -> str:
    try:
        return getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return ""


def _commit() -> str:
    """Of the working directory's repository; empty where there is none."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, timeout=5, cwd=Path.cwd()
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def scalars(values: dict[str, Any]) -> dict[str, float]:
    """The numbers among them."""
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
