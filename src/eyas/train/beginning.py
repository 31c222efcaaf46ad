"""The weights that a network begins with, where they are another run's (`train.start_from`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from eyas.core.errors import ConfigError
from eyas.core.runs import open_run
from eyas.nn import Network, load_weights

SCALING = ("normalise.scale", "normalise.shift")
"""Of the images: each run has its own data's."""


def check_beginning(path: Path, network: Network) -> None:
    """Refuse weights of another network.

    Raises:
        ConfigError: no run folder, or the first tensor that differs.
        TrainingError: the run has not finished an epoch.
    """
    if difference := first_difference(_weights(path), network):
        raise ConfigError(f"train.start_from must be a run of the same network; in {path} {difference}")


def begin_with(path: Path, network: Network) -> None:
    """Take over the weights that `check_beginning` has accepted."""
    network.load_state_dict(_weights(path), strict=False)


def first_difference(weights: dict[str, Any], network: Network) -> str:
    """What differs, in words; empty where the weights fit."""
    own = {name: value for name, value in network.state_dict().items() if name not in SCALING}
    for name, value in own.items():
        if name not in weights:
            return f"{name} is missing"
        if weights[name].shape != value.shape:
            return f"{name} must have the shape {list(value.shape)}, got {list(weights[name].shape)}"
    surplus = (name for name in weights if name not in own and name not in SCALING)
    return next((f"{name} is more than this network has" for name in surplus), "")


def _weights(path: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = load_weights(open_run(path).best)["weights"]
    return {name: value for name, value in found.items() if name not in SCALING}
