"""`best.pt`: a network's weights and what is needed to build it again. Tensors and plain values, no pickled code."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import torch

from eyas.core import io
from eyas.core.errors import TrainingError
from eyas.core.runs import RunFolder
from eyas.core.schema import CustomConfig, KerasConfig, ModelConfig
from eyas.nn.build import build_network
from eyas.nn.custom import source_file
from eyas.nn.from_keras import SAVED
from eyas.nn.network import Network
from eyas.nn.pretrained import BACKBONE_FILE

# A run keeps beside its weights the source of a custom or Keras network, or the description of a backbone.
CUSTOM_SOURCE = "model.py"
KEPT = (CUSTOM_SOURCE, *(f"model{suffix}" for suffix in SAVED), BACKBONE_FILE)


def source_of(config: ModelConfig) -> Path | None:
    """The user's own file that the network is built from; None where eyas builds it alone."""
    if isinstance(config, CustomConfig):
        return source_file(config)
    return Path(config.source) if isinstance(config, KerasConfig) else None


def keep_source(config: ModelConfig, run: Path) -> None:
    """Copy that file into a run folder."""
    if source := source_of(config):
        shutil.copy(source, run / f"model{source.suffix}")


def kept_source(run: Path) -> Path | None:
    """What a run folder keeps of a network that its configuration only names."""
    return next((run / name for name in KEPT if (run / name).exists()), None)


def save_weights(file: Path, network: Network, **about: Any) -> None:
    """Write the weights, and plain values about them, whole or not at all."""
    save(file, {"weights": network.state_dict(), **about})


def load_weights(file: Path) -> dict[str, Any]:
    """What `save_weights` wrote, on the CPU.

    Raises:
        TrainingError: the file is absent or damaged.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TrainingError(f"{file} does not exist: the run has not finished an epoch yet") from None
    except (RuntimeError, EOFError, ValueError, OSError, pickle.UnpicklingError) as error:
        raise TrainingError(f"{file} is damaged: {error}") from error
    return dict(content)


def load_network(run: RunFolder) -> tuple[Network, dict[str, Any]]:
    """The best network of a run, in evaluation mode, and what was saved about it.

    Returns:
        The network, and a dict with `classes`, `input_shape` (H, W, C), `mean`, `std`, `epoch`, `fingerprint`.
    """
    about = load_weights(run.best)
    network = build_network(
        run.config().model,
        tuple(about["input_shape"]),
        len(about["classes"]),
        about["mean"],
        about["std"],
        kept_source(run.path),
    )
    take_weights(network, about.pop("weights"), run.best)
    return network.eval(), about


def take_weights(network: Network, weights: dict[str, Any], file: Path) -> None:
    """Load weights that were read from `file`.

    Raises:
        TrainingError: they belong to a network that is built otherwise.
    """
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).partition("\n")[2].strip()
        raise TrainingError(
            f"{file} does not fit the network that its run's configuration builds now; was it made by another version "
            f"of eyas? {reason}"
        ) from error


def save(file: Path, content: dict[str, Any]) -> None:
    """`torch.save`, atomically."""
    io.write_with(file, lambda stream: torch.save(content, stream))
