"""The trained network that a new one learns from (`train.teacher`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from eyas.bundle import open_bundle
from eyas.core.errors import ConfigError
from eyas.core.marks import is_bundle
from eyas.core.runs import open_run
from eyas.data import Dataset
from eyas.infer import Session
from eyas.nn import load_network, load_weights
from eyas.train.precision import Precision, autocast

Teacher = Callable[[Tensor], Tensor]
"""(n, H, W, C) uint8 images at the dataset's own size → (n, K) float32 logits on the same device."""


def check_teacher(path: Path, dataset: Dataset) -> None:
    """Refuse a teacher that cannot teach this dataset.

    Raises:
        ConfigError: neither a run folder nor a bundle, other classes than the dataset's, or images of another shape.
    """
    if is_bundle(path):
        manifest = open_bundle(path).manifest
        shape = (manifest.input.height, manifest.input.width, manifest.input.channels)
        _require_same(path, manifest.classes, shape, dataset)
    else:
        try:
            about = load_weights(open_run(path).best)
        except ConfigError as error:
            raise ConfigError(f"train.teacher must be a run folder or a bundle: {error}") from error
        _require_same(path, about["classes"], tuple(about["input_shape"]), dataset)


def load_teacher(path: Path, device: torch.device, precision: Precision) -> Teacher:
    """A run folder's best network, or a bundle's graph, that `check_teacher` has accepted."""
    if is_bundle(path):
        return _of_graph(Session(open_bundle(path).model), device)
    network, _ = load_network(open_run(path))
    network.to(device).requires_grad_(requires_grad=False)

    def teacher(images: Tensor) -> Tensor:
        with torch.no_grad(), autocast(device, precision):
            logits: Tensor = network(images).float()
        return logits

    return teacher


def _of_graph(session: Session, device: torch.device) -> Teacher:
    def teacher(images: Tensor) -> Tensor:
        logits = session.run(images.cpu().numpy(), ("logits",))["logits"]
        return torch.from_numpy(logits).to(device)

    return teacher


def _require_same(path: Path, classes: Sequence[str], shape: tuple[int, ...], dataset: Dataset) -> None:
    if tuple(classes) != dataset.classes:
        theirs, ours = set(classes) - set(dataset.classes), set(dataset.classes) - set(classes)
        told = [
            f"{len(names)} only {whose} ({', '.join(sorted(names)[:3])}{', …' if len(names) > 3 else ''})"
            for whose, names in (("in the teacher", theirs), (f"in {dataset.name}", ours))
            if names
        ]
        raise ConfigError(
            f"train.teacher must know the classes of {dataset.name} in their order; {path} knows {len(classes)}, "
            f"{dataset.name} has {len(dataset.classes)}: {' and '.join(told) or 'the same ones in another order'}"
        )
    if shape != dataset.policy.shape:
        raise ConfigError(
            f"train.teacher must take images of {dataset.name}'s shape {'×'.join(map(str, dataset.policy.shape))}; "
            f"{path} takes {'×'.join(map(str, shape))}"
        )
