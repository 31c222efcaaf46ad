"""What `fit` and `tune` are given, as a configuration and a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eyas.api.images import batch_of
from eyas.api.labels import LabelsError, labels_of, numbered
from eyas.api.settings import config_of
from eyas.core.schema import Config
from eyas.data import Dataset

Data = Dataset | str | Path
"""A dataset, or the source that opens one."""


def material(
    settings: dict[str, Any], seed: int | None, given: Data | ArrayLike, labels: ArrayLike | None
) -> tuple[Config, Dataset, NDArray[Any] | None]:
    """The configuration, the data that it is for and, of arrays, their classes as they were given.

    Args:
        settings: nested, without defaults.
        seed: of the split of arrays; None: the configuration's.
        given: data, or images as `Classifier.fit` takes them.
        labels: (N,) of images.

    Raises:
        ConfigError, DataError, InputError: as `Classifier.fit`.
    """
    if isinstance(given, Dataset | str | Path):
        if labels is not None:
            raise LabelsError("a Dataset has its labels: y must be left out")
        config, dataset = _together(settings, opened(given))
        dataset.check().require_sound(force=config.data.force)  # as `eyas train`
        return config, dataset, None
    own = labels_of(labels)
    images = batch_of(np.asarray(given))
    if len(images) != len(own):
        raise LabelsError(f"X and y must be of one length, got {len(images)} images and {len(own)} labels")
    classes, places = numbered(own)
    keys = config_of(settings).data.model_dump(exclude_unset=True, exclude={"source"}) | {"test_fraction": 0.0}
    if seed is not None:
        keys["seed"] = seed
    dataset = Dataset.from_arrays(images, places, classes=list(map(str, classes.tolist())), **keys)
    return *_together(settings, dataset), classes


def opened(data: Data) -> Dataset:
    """The dataset, opened where it is not yet."""
    return data if isinstance(data, Dataset) else Dataset(data)


def _together(settings: dict[str, Any], dataset: Dataset) -> tuple[Config, Dataset]:
    """The configuration with the keys of `data` that the dataset was opened with; a recipe's hold beside them.

    Where the two differ, the data are opened again by both.
    """
    own = dataset.config.model_dump(mode="json", exclude_unset=True)
    config = config_of({**settings, "data": {**settings.get("data", {}), **own}})
    if config.data.model_dump() == dataset.config.model_dump():
        return config, dataset
    return config, Dataset.of(config.data)
