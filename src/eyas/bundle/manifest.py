"""`manifest.json`: what a bundle says of itself. Its schema has a version of its own."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from eyas.core.schema import Section

SCHEMA_VERSION: Literal[1] = 1
GOLDEN_TOLERANCE = 1e-4  # float32 sums differ by their order from one processor to the next
# And in int8 or fp16 such a difference can round an activation to the next step.
QUANTISED_TOLERANCE = 1e-2
Precision = Literal["int8", "fp16"]
"""Of a graph whose layers are not float32."""


class InputSpec(Section):
    """The graph's input `images`: (N, height, width, channels) uint8; scaling is inside the graph."""

    height: PositiveInt
    width: PositiveInt
    channels: Literal[1, 3]
    resize: Literal["stretch", "crop", "pad"] = "stretch"
    """How an image of another shape is brought to this one."""
    mean: tuple[float, ...]
    """Per channel on [0, 1], fitted on the training split; already inside the graph."""
    std: tuple[PositiveFloat, ...]
    """Per channel on [0, 1], fitted on the training split; already inside the graph."""


class Conformal(Section):
    """Split-conformal sets: class k belongs to the set where p_k ≥ threshold (Sadinle et al. 2019).

    An answer whose set is not one single class needs review.
    """

    coverage: float = Field(gt=0, lt=1)
    """Share of answers whose set is to hold the true class."""
    threshold: float = Field(ge=0, le=1)
    """On the calibrated probabilities."""
    images: NonNegativeInt
    """Calibration images: the validation split, which also chose the epoch, so that coverage is approximate."""
    measured: float | None = Field(default=None, ge=0, le=1)
    """Share of the test split whose set holds the true class."""


def needs_review(probabilities: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Whether the conformal set {k : p_k ≥ threshold} does not hold exactly one class.

    Args:
        probabilities: (N, K) float32.

    Returns:
        (N,) bool.
    """
    members: NDArray[np.intp] = (probabilities >= threshold).sum(axis=1)
    return np.not_equal(members, 1)


class Parity(Section):
    """The proof that ONNX Runtime answers as PyTorch does, or an imported model as it came, over one whole split.

    Of the float32 graph: where the bundle's own is another, `quantisation` says how that differs from it.
    """

    split: str
    images: PositiveInt
    differences: dict[str, NonNegativeFloat]
    """By output: max |a - b| / max(1, max |a|), a by the original, b by the bundle's graph."""
    agreement: float = Field(ge=0, le=1)
    """Share of images with the same predicted class."""
    tolerance: PositiveFloat
    """What each difference was held to."""


class Latency(Section):
    """Milliseconds for a pass of one thread, the median of rounds that took both graphs in turn."""

    images: PositiveInt
    """In the pass."""
    float32_ms: PositiveFloat
    ms: PositiveFloat

    @property
    def gain(self) -> float:
        """How many times as fast as float32; under 1 where it is slower."""
        return self.float32_ms / self.ms


class Quantisation(Section):
    """What a graph in int8 or fp16 loses and gains against the float32 graph that it was made from."""

    precision: Precision
    split: str
    images: PositiveInt
    """Of the split, all of which were compared."""
    accuracy: float = Field(ge=0, le=1)
    float32_accuracy: float = Field(ge=0, le=1)
    change: float = Field(ge=-1, le=1)
    """Of accuracy: negative where it falls."""
    interval: tuple[float, float]
    """Of the change, 95 %, the images paired."""
    max_drop: float = Field(ge=0, lt=1)
    """What the change was held to."""
    agreement: float = Field(ge=0, le=1)
    """Share of images with the same predicted class."""
    difference: float = Field(ge=0, le=1)
    """The largest in a probability, each graph calibrated by a temperature of its own."""
    bytes: PositiveInt
    """Of the graph's file."""
    float32_bytes: PositiveInt
    processor: str
    """That `latency` was measured on."""
    latency: tuple[Latency, ...]


class DatasetInfo(Section):
    """Where the model's knowledge comes from."""

    name: str
    fingerprint: str
    """SHA-256 over classes, pixels, labels and splits."""
    images: dict[str, int]
    """Images in each split."""


class Imported(Section):
    """Where a model comes from that eyas did not train."""

    format: str
    """Of its file: `onnx`, `torchscript`, `torch-export`, …"""
    file: str
    """The file's name."""
    sha256: str
    """Of the file."""
    external: dict[str, str] = Field(default_factory=dict)
    """The SHA-256 of each file beside it that holds its weights, by name."""
    notes: tuple[str, ...] = ()
    """What was stated and found of it, and what was changed: a sentence each, without full stops."""


class Manifest(Section):
    """The whole of `manifest.json`."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str
    version: str
    created: str
    """ISO 8601, UTC."""
    classes: tuple[str, ...] = Field(min_length=2)
    """In the order of the graph's outputs."""
    input: InputSpec
    outputs: tuple[str, ...]
    """Of the graph: `logits`, `probabilities`, `features`, and `cam` where the head allows."""
    architecture: str
    framework: str
    parameters: NonNegativeInt
    """Trainable."""
    temperature: PositiveFloat
    """probabilities = softmax(logits / temperature); inside the graph. See `eyas.evaluate.fit_temperature`."""
    conformal: Conformal
    metrics: dict[str, dict[str, Any]]
    """By split: accuracy, top-5, NLL, ECE and their intervals."""
    parity: Parity
    quantisation: Quantisation | None = None
    """Of a graph that is not float32."""
    imported: Imported | None = None
    """Of a model that eyas did not train."""
    dataset: DatasetInfo
    training: dict[str, Any]
    """The resolved configuration of the run; of an imported model its `data`."""
    versions: dict[str, str]
    """Of eyas, Python and the libraries that made this."""
    files: dict[str, str]
    """SHA-256 of every other file in the bundle."""
    digest: str = ""
    """SHA-256 of all the fields above; see `digest_of`. It finds damage, not malice: who edits can hash."""

    @property
    def tolerance(self) -> float:
        """The largest difference of a probability from its golden answer."""
        return QUANTISED_TOLERANCE if self.quantisation else GOLDEN_TOLERANCE

    @property
    def accuracy(self) -> float | None:
        """Of the test split, else of the validation split, else None."""
        found = (
            self.metrics[split]["accuracy"] for split in ("test", "val") if "accuracy" in self.metrics.get(split, {})
        )
        return next(found, None)


def digest_of(values: dict[str, Any]) -> str:
    """SHA-256 of the manifest's JSON values without `digest`: keys sorted, no spaces, UTF-8."""
    fields = {name: value for name, value in values.items() if name != "digest"}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
