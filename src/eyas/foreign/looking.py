"""What is found of a model by asking it: its output, and whether what is stated of it is so."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import BundleError, ConfigError, DataError
from eyas.core.schema import DataConfig
from eyas.data import Dataset, open_dataset
from eyas.foreign.checking import Check, check_readings
from eyas.foreign.classes import order_of
from eyas.foreign.entry import Entry, find_entry
from eyas.foreign.original import Asked, Original
from eyas.foreign.preprocessing import Reading, Stated, named_reading, other_readings

CHECKED_IMAGES = 256
CHECKED_PER_CLASS = 4  # where there are many classes: their order shows only where each is seen
MOST_CHECKED = 1000  # so with more classes than 250 their order is not tried
LONGEST_SIDE = 4096


@dataclass(frozen=True)
class Look:
    """A model and a dataset that fit each other."""

    asked: Asked
    data: DataConfig
    """What `dataset` was opened by."""
    dataset: Dataset
    output: str
    """With a number for each class."""
    reading: Reading
    order: NDArray[np.int64]
    """(K,) which of the output's numbers is each class of the dataset."""
    check: Check
    forced: str | None
    """What speaks against what is stated."""

    def ask(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, K) float32: the untouched model's answers, the classes in the dataset's order."""
        return self.asked.run(images, self.reading)[self.output][:, self.order]

    def in_words(self) -> list[str]:
        """Sentences without full stops."""
        entry, (height, width) = self.asked.entry, self.asked.size
        said = [entry.in_words(), f"Pixels: {self.reading.options}"]
        if (height, width) != entry.shape[:2]:
            said.append(f"Images are brought to {height}×{width}, of which the model sees the centre")
        if (np.diff(self.order) != 1).any():
            said.append("The outputs are put into the dataset's order of classes")
        said += self.check.in_words()
        return [*said, f"Imported by force, although {self.forced}"] if self.forced else said


def look(original: Original, stated: Stated, data: DataConfig, *, force: bool = False) -> Look:
    """Find the input and the output, open the data at the model's size, and check what is stated.

    Args:
        force: go on where the check speaks against what is stated.

    Raises:
        BundleError: not one input for images, or no output for each image.
        ConfigError: something must be stated, or the check found something else to be clearly better.
        DataError: other classes than the model's, or no validation split.
    """
    entry = find_entry(original.graph, stated)
    size, reading = _size(entry, stated), _reading(stated, entry)
    data = DataConfig.model_validate({**data.model_dump(), "image_size": size, "channels": entry.channels})
    dataset = open_dataset(data)
    if not len(dataset.val):
        raise DataError(f"{dataset.name} must have a validation split, on which the import is checked; got none")
    asked = _ask_some(Asked(original.ask, entry, size), dataset)
    order = order_of(stated.classes, dataset.classes)
    output = _find_output(asked, dataset, stated)
    check = _check(asked, dataset, reading, output, order)
    if reading is None:
        raise ConfigError(f"state how the model reads pixels, by --scaling or --mean and --std. {check.in_words()[0]}")
    verdict = check.verdict()
    if verdict and not force:
        raise ConfigError(f"{verdict}.{_found_order(check)} With --force it is imported as stated")
    return Look(asked, data, dataset, output, reading, order, check, verdict)


def _size(entry: Entry, stated: Stated) -> tuple[int, int]:
    """Of the images, height and width."""
    height, width = round(entry.height / stated.crop_share), round(entry.width / stated.crop_share)
    if max(height, width) > LONGEST_SIDE:
        raise ConfigError(f"images must have sides of {LONGEST_SIDE:,} pixels at most, got {height:,}×{width:,}")
    return height, width


def _ask_some(asked: Asked, dataset: Dataset) -> Asked:
    """As it is; or for one image at a time, where the model says any number and holds the one it was traced with.

    Raises:
        BundleError: it fails on one image too.
    """
    two, reading = dataset.val.take(np.array([0, len(dataset.val) - 1])), named_reading("unit", asked.entry.channels)
    try:
        asked.run(two, reading)
    except BundleError:
        if asked.entry.batch is not None:
            raise
        asked = replace(asked, entry=replace(asked.entry, batch=1))
        asked.run(two, reading)
    return asked


def _reading(stated: Stated, entry: Entry) -> Reading | None:
    if entry.dtype != np.uint8:
        return stated.reading(entry.channels)
    if stated.mean or stated.scaling not in (None, "bytes"):
        raise ConfigError(f"the input {entry.name} takes bytes as they are; leave --scaling, --mean and --std out")
    return named_reading("bytes", entry.channels, bgr=stated.bgr)


def _find_output(asked: Asked, dataset: Dataset, stated: Stated) -> str:
    """The output with a number for each class."""
    outputs = asked.run(dataset.val.take(slice(2)), named_reading("unit", asked.entry.channels))
    shapes = ", ".join(f"{name} {values.shape[1:]}" for name, values in outputs.items())
    if stated.output and stated.output not in outputs:
        raise ConfigError(f"--output must be one of what the model gives for an image, {shapes}; got {stated.output}")
    candidates = [stated.output] if stated.output else list(outputs)
    fitting = [name for name in candidates if outputs[name].shape[1:] == (len(dataset.classes),)]
    if not fitting:
        raise DataError(
            f"the model must give {len(dataset.classes)} numbers for an image, one for each class of {dataset.name}; "
            f"it gives {shapes}"
        )
    if len(fitting) > 1:
        raise ConfigError(f"several outputs have a number for each class; state --output, one of {shapes}")
    return fitting[0]


def _check(asked: Asked, dataset: Dataset, reading: Reading | None, output: str, order: NDArray[np.int64]) -> Check:
    """On some validation images, evenly over the split."""
    wanted = max(CHECKED_IMAGES, min(CHECKED_PER_CLASS * len(dataset.classes), MOST_CHECKED))
    rows = np.unique(np.linspace(0, len(dataset.val) - 1, wanted).astype(np.int64))
    images, labels = dataset.val.take(rows), dataset.val.labels[rows]
    others = other_readings(reading, asked.entry.channels)
    if asked.entry.dtype == np.uint8:
        others = [one for one in others if one.scaling == "bytes"]

    def ask(one: Reading) -> NDArray[np.float32]:
        return asked.run(images, one)[output]

    few = CHECKED_PER_CLASS * len(dataset.classes) <= MOST_CHECKED
    return check_readings(ask, reading, others, order, labels, dataset.classes, orders=few)


def _found_order(check: Check) -> str:
    order = check.found_order()
    return f" The order found, for a JSON file of --classes: {json.dumps(order, ensure_ascii=False)}." if order else ""
