"""`manifest.json`: what a bundle says of itself. Its schema has a version of its own."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from eyas.core.schema import Section

SCHEMA_VERSION: Literal[1] = 1


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


class Parity(Section):
    """The proof that ONNX Runtime answers as PyTorch does, over one whole split."""

    split: str
    images: PositiveInt
    differences: dict[str, NonNegativeFloat]
    """By output: max |a - b| / max(1, max |a|), a by PyTorch, b by ONNX Runtime."""
    agreement: float = Field(ge=0, le=1)
    """Share of images with the same predicted class."""
    tolerance: PositiveFloat
    """What each difference was held to."""


class DatasetInfo(Section):
    """Where the model's knowledge comes from."""

    name: str
    fingerprint: str
    """SHA-256 over classes, pixels, labels and splits."""
    images: dict[str, int]
    """Images in each split."""


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
    """probabilities = softmax(logits / temperature); inside the graph (Guo et al. 2017)."""
    conformal: Conformal
    metrics: dict[str, dict[str, Any]]
    """By split: accuracy, top-5, NLL, ECE and their intervals."""
    parity: Parity
    dataset: DatasetInfo
    training: dict[str, Any]
    """The resolved configuration of the run."""
    versions: dict[str, str]
    """Of eyas, Python and the libraries that made this."""
    files: dict[str, str]
    """SHA-256 of every other file in the bundle."""
    digest: str = ""
    """SHA-256 of all the fields above; see `digest_of`. It finds damage, not malice: who edits can hash."""


def digest_of(values: dict[str, Any]) -> str:
    """SHA-256 of the manifest's JSON values without `digest`: keys sorted, no spaces, UTF-8."""
    fields = {name: value for name, value in values.items() if name != "digest"}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
