"""What the service answers, field by field: the handlers encode these, and OpenAPI is written from them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Health(msgspec.Struct):
    """The service and what it has loaded."""

    status: Literal["healthy"]
    model_loaded: bool
    preprocessor_loaded: bool
    version: str
    """Of the bundle."""


class Alive(msgspec.Struct):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(msgspec.Struct):
    """A model is loaded and has reproduced its golden answers."""

    status: Literal["ready"] = "ready"


class Preprocessor(msgspec.Struct):
    """How an image becomes the model's input."""

    target_size: tuple[int, int]
    """[height, width]"""
    normalize: bool
    num_classes: int
    channels: int
    resize: Literal["stretch", "crop", "pad"]
    mean: tuple[float, ...]
    """Per channel on [0, 1]; applied inside the graph."""
    std: tuple[float, ...]
    """Per channel on [0, 1]; applied inside the graph."""


class ModelInfo(msgspec.Struct):
    """The model behind this service."""

    architecture: str
    framework: str
    input_shape: str
    """`(None, H, W, C)`; None stands for any number of images."""
    output_shape: str
    """`(None, K)`"""
    num_trainable_params: int
    metrics: float | None
    """Accuracy on the test split; on the validation split where the test split was not evaluated."""
    preprocessor: Preprocessor
    name: str
    version: str
    created: str
    """ISO 8601, UTC."""
    classes: tuple[str, ...]
    """In the order of the probabilities."""
    metrics_by_split: dict[str, dict[str, Any]]
    temperature: float
    """probabilities = softmax(logits / temperature)"""
    coverage: float
    """Share of answers whose conformal set is to hold the true class."""
    outlier_rate: float | None
    """Share of images like the held-out ones that may be called unknown; `null` where none is called so."""
    threshold: float
    """A class belongs to the conformal set where its probability is at least this."""
    dataset: str
    dataset_fingerprint: str


class Row(msgspec.Struct):
    """The prediction of one image."""

    prediction: int
    """Index of the most probable class."""
    label: str
    """Its name."""
    confidence: float
    """Its probability."""
    probabilities: list[float]
    """Of all classes; they sum to 1."""
    needs_review: bool
    """The conformal set holds no class or several: a person should look."""
    unknown: bool | None
    """The image is like no held-out one; `null` where that cannot be told."""


class Predictions(msgspec.Struct):
    """One row an instance, in the order sent."""

    predictions: list[Row]


class Answer(msgspec.Struct):
    """One prediction an image, in the order sent."""

    predictions: list[int]
    """Index of the most probable class."""
    confidence: list[float]
    """Probability of that class."""
    probabilities: list[list[float]]
    """One row an image; each sums to 1."""
    labels: list[str]
    """Name of the most probable class."""
    needs_review: list[bool]
    """The conformal set holds no class or several: a person should look."""
    unknown: list[bool] | None
    """The image is like no held-out one; `null` where that cannot be told."""
    version: str
    """Of the bundle that answered."""
    id: str
    """Of this answer."""


class ServedModel(msgspec.Struct):
    """A model of this service."""

    name: str
    default: bool
    """It answers where a request names no model."""
    live: str
    """The version that answers where a request names none."""
    versions: list[str]
    """All that can be asked for, the live one first."""


class ServedModels(msgspec.Struct):
    """What this service can be asked."""

    models: list[ServedModel]


class AdminVersion(msgspec.Struct):
    """A version of a model, in the repository and in the service."""

    version: str
    stored: bool
    """It lies in the repository."""
    loaded: bool
    """Every worker has it in memory."""
    live: bool
    """It answers where a request names no version."""
    refused: str | None
    """Why it is not served, where it was tried in vain."""


class AdminModel(msgspec.Struct):
    """A model in the repository and in the service."""

    model: str
    live: str | None
    """The version that answers."""
    pointer: str | None
    """The version that is live by the repository; another than `live` where that one is refused."""
    since: str | None
    """Of the pointer: ISO 8601, UTC."""
    by: str | None
    """Who moved the pointer."""
    before: list[str]
    """What was live before, the last first."""
    versions: list[AdminVersion]
    trouble: str | None
    """What is wrong with the pointer."""


class AdminWorker(msgspec.Struct):
    """A process that answers."""

    worker: int
    pid: int
    state: Literal["starting", "ready", "ending"]


class AdminModels(msgspec.Struct):
    """A repository and the service over it."""

    repository: str
    doing: str | None
    """What is being changed now."""
    workers: list[AdminWorker]
    models: list[AdminModel]


class AdminMove(msgspec.Struct):
    """One move of a rollout."""

    time: float
    """Seconds since 1970."""
    by: str
    """Who; `eyas` where a verdict did."""
    why: list[str]
    move: str
    status: str
    """After it."""
    share: float
    """Of the requests that the challenger answers then; of a shadow, that it is asked as well."""
    evidence: dict[str, Any] | None
    """What was known; under `gate` what the gate said of the test images."""


class AdminRollout(msgspec.Struct):
    """The last rollout of a model."""

    model: str
    number: int
    """Of the model's rollouts."""
    status: str
    """`running`, `paused`, `promoted`, `rolled back` or `aborted`."""
    stage: int
    """From 1."""
    share: float
    plan: dict[str, Any]
    """As it was fixed at the start, without the salt."""
    history: list[AdminMove]
    """All of its moves, the first one first."""
