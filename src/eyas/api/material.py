"""What `fit` and `tune` are given, as a configuration and a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eyas.api.images import ImagesError, batch_of
from eyas.api.labels import LabelsError, labels_of, numbered
from eyas.api.settings import Settings, as_keywords, config_of
from eyas.core import console
from eyas.core.schema import Config
from eyas.data import CheckReport, Dataset

Data = Dataset | str | Path
"""A dataset, or the source that opens one."""


@dataclass(frozen=True)
class Material:
    """A configuration and the data that it is for."""

    config: Config
    dataset: Dataset
    classes: NDArray[Any] | None = None
    """(K,) of arrays, as they were given."""
    report: CheckReport | None = None
    """What the check has found; None where there was none."""

    def tell_warnings(self) -> None:
        """What is wrong but spoils nothing, a line each on standard error."""
        for line in self.report.warnings if self.report else ():
            console.warn(as_keywords(line))


def material(settings: Settings, given: Data | ArrayLike, labels: ArrayLike | None) -> Material:
    """Open or keep what is to be learnt from.

    Args:
        settings: of the classifier.
        given: data, or images as `Classifier.fit` takes them.
        labels: (N,) of images.

    Raises:
        ConfigError, DataError, InputError: as `Classifier.fit`.
    """
    if isinstance(given, Dataset | str | Path):
        if labels is not None:
            raise LabelsError("a Dataset has its labels: y must be left out")
        config, dataset = _together(settings.nested, opened(given))
        return Material(config, dataset, report=dataset.require_sound())  # as `eyas train`
    own = labels_of(labels)
    images = batch_of(_numbers(given))
    if len(images) != len(own):
        raise LabelsError(f"X and y must be of one length, got {len(images)} images and {len(own)} labels")
    classes, places = numbered(own)
    keys = {"test_fraction": 0.0} | config_of(settings.nested).data.model_dump(exclude_unset=True, exclude={"source"})
    if settings.split_seed is not None:
        keys["seed"] = settings.split_seed
    dataset = Dataset.from_arrays(images, places, classes=list(map(str, classes.tolist())), **keys)
    return Material(*_together(settings.nested, dataset), classes)


def _numbers(images: ArrayLike) -> NDArray[Any]:
    """As an array.

    Raises:
        ImagesError: a list of paths.
    """
    array = np.asarray(images)
    if array.size and isinstance(array.flat[0], str | Path):
        raise ImagesError(
            f"fit takes images in arrays, got {str(array.flat[0])!r:.80}; for files give it a folder of one folder a "
            "class, or a table of path,label"
        )
    return array


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
