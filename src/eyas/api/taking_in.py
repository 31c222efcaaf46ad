"""`eyas import keras`, from words to a measured run folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from eyas.core.config import load_config
from eyas.core.errors import ConfigError
from eyas.core.runs import RunFolder
from eyas.core.scalings import scaling_of
from eyas.core.schema import Config, DataConfig, KerasConfig
from eyas.core.schema.data import SCALINGS as NAMED
from eyas.data import CheckReport, Dataset, open_dataset
from eyas.evaluate import Evaluation
from eyas.nn import Network, Normalise, build_network
from eyas.nn.custom import blaming
from eyas.nn.from_keras import (
    asks_for_shape,
    build_for,
    drawn_by_torch,
    input_shape_of,
    load_weights,
    model_of,
    open_source,
    remarks_on,
    split,
)
from eyas.train.assembly import device_kind, set_up
from eyas.train.imported import against, require_classes, write_imported
from eyas.train.run import create_folder
from eyas.train.scaling import fit_scaling
from eyas.train.workers import join

# Images by which a model that is read again is compared, and by how much its logits may differ, of the largest.
SEEN, NEAR = 64, 1e-3


@dataclass(frozen=True)
class Taken:
    """A model that was taken in."""

    run: RunFolder
    config: Config
    found: dict[str, Evaluation]
    parameters: int
    """Trainable."""
    forced: str | None
    """What spoke against the scaling of its pixels."""
    report: CheckReport
    """Of the data."""


def take_in(
    words: Sequence[str],
    file: Path | None,
    *,
    scaling: str | None = None,
    weights: Path | None,
    as_built: bool = False,
    names: Sequence[str] | None,
    names_from: str,
    target: Path | None,
    force: bool = False,
) -> Taken:
    """Read the model, open the data at its input size, check its scaling, measure it, and write the run folder.

    Args:
        words: overrides; `model` among them.
        scaling: of the pixels, `standard` or a name of `eyas.core.scalings`; None: as `data.normalize` or the model
            says.
        weights: of the model, where its file has none.
        as_built: take a model with the weights that a Python file gives it.
        names: its classes in order, to be checked.
        names_from: where they were read.
        force: take it although the check speaks against the scaling.

    Raises:
        ConfigError: the model cannot be read, does not fit the images or classes, answers otherwise when it is read
            again, or is clearly better with another scaling.
        DataError: the data cannot be used.
    """
    given = _model_of(load_config(file, words))
    path = Path(given.source)
    _require_weights(path, weights, as_built)
    model, sizes = None, list[str]()
    with drawn_by_torch():
        if not asks_for_shape(found := open_source(path, given)):
            model = model_of(found, path, given)
            sizes = list(_sizes(model, load_config(file, words).data))
    config = load_config(file, [*sizes, *words])
    dataset = open_dataset(config.data)
    report = dataset.require_sound()
    if names is not None:
        require_classes(names, dataset, names_from)
    if model is None:
        with drawn_by_torch():
            model = model_of(found, path, given, dataset.policy.shape, len(dataset.classes))
    config = load_config(file, [*sizes, *words, *_pixels(model, config.data, scaling, dataset.policy.channels)])
    return _write(_network(model, weights, config, dataset), config, dataset, report, target, force)


def _write(
    network: Network, config: Config, dataset: Dataset, report: CheckReport, target: Path | None, force: bool
) -> Taken:
    _require_same_again(network, config, dataset)
    verdict = against(network, config, dataset)
    if verdict and not force:
        raise ConfigError(f"{verdict}. With --force it is imported as stated")
    run = create_folder(config, dataset, target)
    found = write_imported(run, config, network, dataset)
    return Taken(run, config, found, network.trainable_parameters(), verdict, report)


def _model_of(config: Config) -> KerasConfig:
    assert isinstance(config.model, KerasConfig)
    return config.model


def _require_weights(path: Path, weights: Path | None, as_built: bool) -> None:
    if weights is None and path.suffix == ".json":
        raise ConfigError(f"{path} is an architecture without weights; give them with --weights")
    if weights is None and path.suffix == ".py" and not as_built:
        raise ConfigError(
            f"{path} builds a model, whose weights are random as a rule; give the trained ones with --weights, or say "
            "--as-built where the file loads them itself"
        )


def _network(model: Any, weights: Path | None, config: Config, dataset: Dataset) -> Network:
    shape = dataset.policy.shape
    with drawn_by_torch():
        if not model.built:
            build_for(model, shape, config.model.name)
        if weights:
            load_weights(model, weights)
        body, head, any_size = split(model, shape, len(dataset.classes), config.model.name)
    scaling = fit_scaling(dataset.train, config.data.normalize)
    device = set_up(config.train, join(1, device_kind(config.train)))
    return Network(Normalise(*scaling), body, head, any_size=any_size).to(device).eval()


def _require_same_again(network: Network, config: Config, dataset: Dataset) -> None:
    """Refuse a model of which the weights are not all: each verb reads it again from its file, and gives it these."""
    given = _model_of(config)
    scaling = fit_scaling(dataset.train, config.data.normalize)
    again = build_network(given, dataset.policy.shape, len(dataset.classes), *scaling)
    with blaming(f"reading {given.source} again"):
        again.load_state_dict(network.state_dict())
    images = torch.from_numpy(dataset.train.take(slice(SEEN))).to(network.normalise.scale.device)
    with torch.no_grad():
        one, two = network(images), again.to(images.device).eval()(images)
    if not torch.allclose(one, two, rtol=0, atol=NEAR * max(1.0, float(one.abs().max()))):
        raise ConfigError(
            f"model.name: {given.source}, read again and given the same weights, answers otherwise, and so would every "
            "later evaluate and export; a layer must keep what it computes with in its weights"
        )


def _sizes(model: Any, given: DataConfig) -> Iterator[str]:
    """What the model decides of the images, where neither the user's words nor file do: size and channels."""
    shape = input_shape_of(model) or ()
    if len(shape) in (2, 3) and all(shape[:2]) and "image_size" not in given.model_fields_set:
        yield f"data.image_size=[{shape[0]},{shape[1]}]"
    channels = 1 if len(shape) == 2 else shape[2] if len(shape) == 3 else None
    if channels in (1, 3) and "channels" not in given.model_fields_set:
        yield f"data.channels={channels}"


def _pixels(model: Any, given: DataConfig, scaling: str | None, channels: int) -> Iterator[str]:
    """What `--scaling` says; else what the model decides, where neither the user's words nor file do."""
    if scaling in NAMED:
        yield f"data.normalize={scaling}"
    elif scaling:
        mean, std = scaling_of(scaling, channels)
        yield f"data.normalize={json.dumps({'mean': mean, 'std': std})}"
    elif "normalize" not in given.model_fields_set:
        yield f"data.normalize={'bytes' if remarks_on(model).scaling else 'unit'}"
