"""What a bundle answers to images with labels: those that it was trained beside, or others with its classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eyas.bundle import Bundle, open_bundle
from eyas.core.config import load_values
from eyas.core.errors import DataError
from eyas.core.schema import DataConfig
from eyas.data import Dataset, Split, open_dataset
from eyas.data.split import SplitName
from eyas.evaluate import Evaluation, evaluate
from eyas.infer import Predictor


@dataclass(frozen=True)
class SplitAnswers:
    """A bundle's answers to a whole split."""

    dataset: Dataset
    """At the bundle's size."""
    split: Split
    probabilities: NDArray[np.float32]
    """(N, K) float32, rows sum to 1, in the order of the split."""


def data_of(bundle: Bundle, overrides: list[str]) -> DataConfig:
    """Where the bundle's own data were, with `key=value` on top.

    Raises:
        ConfigError: an unknown key, or a value that breaks its rule.
    """
    return load_values(bundle.manifest.training, overrides, str(bundle.path)).data


def is_own(bundle: Bundle, config: DataConfig) -> bool:
    """Whether these are the data that the bundle was trained with, by their name."""
    own = bundle.manifest.training.get("data", {}).get("source")
    return own is not None and config.source == own


def measure_bundle(path: Path, overrides: list[str], split: SplitName) -> Evaluation:
    """The bundle's graph, on the data it was trained with or on others with the same classes.

    Raises:
        DataError: other classes, an empty split, or its own data in another state or split.
    """
    bundle = open_bundle(path)
    found = answer_split(bundle, data_of(bundle, overrides), split)
    return evaluate(found.probabilities, found.split.labels, found.dataset.classes)


def answer_split(bundle: Bundle, config: DataConfig, name: SplitName, *, as_trained: bool = True) -> SplitAnswers:
    """Open the data at the bundle's size, and have its graph answer one split of them.

    Args:
        bundle: an opened one.
        config: of the data; what it says of sizes is left out.
        name: of the split.
        as_trained: the bundle's own data must be as they were. Split anew or changed since, they would be measured on
            images that it was trained on.

    Raises:
        DataError: other classes, an empty split, or its own data in another state or split; no such data.
        ConfigError: no source.
    """
    policy = bundle.policy
    shaped = {"image_size": (policy.height, policy.width), "channels": policy.channels, "resize": policy.resize}
    dataset = open_dataset(config.model_copy(update=shaped))
    if as_trained and is_own(bundle, config):
        dataset.require(bundle.manifest.dataset.fingerprint, bundle.path)
    if dataset.classes != bundle.classes:
        raise DataError(
            f"the classes of {dataset.name} must be those of the bundle, in their order: {', '.join(bundle.classes)}; "
            f"got {', '.join(dataset.classes)}"
        )
    split = dataset.require_images(name)
    return SplitAnswers(dataset, split, Predictor(bundle).run(split.take(slice(None))).probabilities)
