"""What a bundle tells of its model, wherever that comes from, and the data that speak for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.bundle import Imported
from eyas.data import Dataset, Split

Answers = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Subject:
    """A model and its data."""

    dataset: Dataset
    """At the graph's size."""
    proof: Split
    """One of the dataset's, which parity is proved on."""
    name: str
    architecture: str
    framework: str
    parameters: int
    outputs: tuple[str, ...]
    """Of its graph, in order."""
    mean: tuple[float, ...]
    """Per channel on [0, 1], inside the graph."""
    std: tuple[float, ...]
    """Per channel on [0, 1], inside the graph."""
    training: dict[str, Any]
    """The resolved configuration, as far as there is one; `data` at least."""
    imported: Imported | None = None
    """Where it comes from, if eyas did not train it."""
