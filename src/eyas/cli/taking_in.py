"""`eyas import keras`, from words to a measured run folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyas.cli.data import require_sound
from eyas.core.config import load_config
from eyas.core.errors import ConfigError
from eyas.core.runs import RunFolder
from eyas.core.schema import Config, KerasConfig
from eyas.data import Dataset, check_dataset, open_dataset
from eyas.evaluate import Evaluation
from eyas.nn import Network, Normalise
from eyas.nn.from_keras import (
    asks_for_shape,
    drawn_by_torch,
    input_shape_of,
    load_weights,
    read_model,
    remarks_on,
    split,
)
from eyas.train.assembly import device_kind, set_up
from eyas.train.imported import BetterScaling, better_scaling, require_classes, write_imported
from eyas.train.parallel.workers import join
from eyas.train.run import create_folder
from eyas.train.scaling import fit_scaling


@dataclass(frozen=True)
class Taken:
    """A model that was taken in."""

    run: RunFolder
    config: Config
    found: dict[str, Evaluation]
    parameters: int
    """Trainable."""
    better: BetterScaling | None


def take_in(
    words: Sequence[str],
    file: Path | None,
    *,
    weights: Path | None,
    names: list[str] | None,
    names_from: str,
    target: Path | None,
) -> Taken:
    """Read the model, open the data at its input size, measure it, and write the run folder.

    Args:
        words: overrides; `model` among them.
        weights: of the model, where its file has none.
        names: its classes in order, to be checked.
        names_from: where they were read.

    Raises:
        ConfigError: the model cannot be read, or does not fit the images or classes.
        DataError: the data cannot be used.
    """
    config = load_config(file, words)
    given = config.model
    assert isinstance(given, KerasConfig)
    if given.source.endswith(".json") and weights is None:
        raise ConfigError(f"{given.source} is an architecture without weights; give them with --weights")
    model = None
    if not asks_for_shape(given):
        with drawn_by_torch():
            model = read_model(given)
        config = load_config(file, [*_defaults(model, words), *words])
    dataset = open_dataset(config.data)
    require_sound(check_dataset(config.data), config.data)
    if names is not None:
        require_classes(names, dataset, names_from)
    if model is None:
        with drawn_by_torch():
            model = read_model(given, dataset.policy.shape, len(dataset.classes))
        config = load_config(file, [*_pixels(model, words), *words])
    network = _network(model, weights, config, dataset)
    run = create_folder(config, dataset, target)
    found = write_imported(run, config, network, dataset)
    return Taken(run, config, found, network.trainable_parameters(), better_scaling(network, config, dataset))


def _network(model: Any, weights: Path | None, config: Config, dataset: Dataset) -> Network:
    shape = dataset.policy.shape
    with drawn_by_torch():
        if not model.built:
            model.build((None, *shape))
        if weights:
            load_weights(model, weights)
        body, head, any_size = split(model, shape, len(dataset.classes), config.model.name)
    scaling = fit_scaling(dataset.train, config.data.normalize)
    device = set_up(config.train, join(1, device_kind(config.train)))
    return Network(Normalise(*scaling), body, head, any_size=any_size).to(device).eval()


def _defaults(model: Any, words: Sequence[str]) -> Iterator[str]:
    """What the model decides of the data, where the user's words do not: size, channels, scaling."""
    shape = input_shape_of(model)
    if shape and len(shape) == 3 and all(shape[:2]):
        yield f"data.image_size=[{shape[0]},{shape[1]}]"
    if shape and len(shape) == 3 and shape[2] in (1, 3):
        yield f"data.channels={shape[2]}"
    yield from _pixels(model, words)


def _pixels(model: Any, words: Sequence[str]) -> Iterator[str]:
    if not any(word.startswith("data.normalize") for word in words):
        yield f"data.normalize={'bytes' if remarks_on(model).scaling else 'unit'}"
