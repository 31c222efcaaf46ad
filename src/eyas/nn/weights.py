"""`best.pt`: a network's weights and what is needed to build it again. Tensors and plain values, no pickled code."""

from __future__ import annotations

import io as stdio
import pickle
from pathlib import Path
from typing import Any

import torch

from eyas.core import io
from eyas.core.errors import TrainingError
from eyas.core.runs import RunFolder
from eyas.nn.build import build_network
from eyas.nn.network import Network
from eyas.nn.pretrained import BACKBONE_FILE

# A run keeps the source of a custom network beside its weights.
CUSTOM_SOURCE = "model.py"


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
        kept_source(run),
    )
    take_weights(network, about.pop("weights"), run.best)
    return network.eval(), about


def kept_source(run: RunFolder) -> Path | None:
    """What the run keeps of a network that its configuration only names: its source, or its backbone's description."""
    return next((path for name in (CUSTOM_SOURCE, BACKBONE_FILE) if (path := run.path / name).exists()), None)


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
    buffer = stdio.BytesIO()
    torch.save(content, buffer)
    io.write_bytes(file, buffer.getvalue())
