"""What the service knows and does, apart from HTTP: the loaded model, its description, its answers."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec
import numpy as np
from numpy.typing import NDArray

from eyas.bundle import Bundle, Manifest
from eyas.core.schema import ServeConfig
from eyas.infer import Predictor
from eyas.serve.schemas import Answer, Health, ModelInfo, Preprocessor

SMALLEST = 1e-45  # float32's least positive value; zero has no logarithm


class Service:
    """One bundle, ready to answer. Its methods may be called from several threads at once."""

    def __init__(self, bundle: Bundle, config: ServeConfig) -> None:
        """Load the graph, and let it reproduce its golden answers, which also warms it up.

        Raises:
            BundleError: the graph cannot be loaded.
            IntegrityError: it does not give its golden answers.
        """
        self.bundle = bundle
        self.config = config
        self._predictor = Predictor(bundle, config.threads)
        self._predictor.verify_golden()
        self.info = _describe(bundle.manifest)

    def health(self) -> Health:
        """The source's health check; a service that exists has loaded both."""
        return Health("healthy", model_loaded=True, preprocessor_loaded=True, version=self.bundle.manifest.version)

    def answer(self, images: NDArray[np.uint8]) -> Answer:
        """Predict (N, H, W, C) uint8 images."""
        prediction = self._predictor.run(images)
        classes = prediction.classes.tolist()
        probabilities = _short(prediction.probabilities)
        return Answer(
            predictions=classes,
            confidence=probabilities.max(axis=1).tolist(),
            probabilities=probabilities.tolist(),
            labels=[self.bundle.classes[k] for k in classes],
            needs_review=prediction.needs_review.tolist(),
            version=self.bundle.manifest.version,
            id=uuid4().hex,
        )


def _short(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Positive values to 9 significant digits: the fewest that tell every float32 apart; JSON would write up to 17."""
    exact = values.astype(np.float64)
    scale = 10.0 ** (8 - np.floor(np.log10(np.maximum(exact, SMALLEST))))
    short: NDArray[np.float64] = np.rint(exact * scale) / scale
    return short


def _describe(manifest: Manifest) -> ModelInfo:
    spec, classes = manifest.input, len(manifest.classes)
    return ModelInfo(
        architecture=manifest.architecture,
        framework=manifest.framework,
        input_shape=f"(None, {spec.height}, {spec.width}, {spec.channels})",
        output_shape=f"(None, {classes})",
        num_trainable_params=manifest.parameters,
        metrics=_accuracy(manifest.metrics),
        preprocessor=Preprocessor(
            target_size=(spec.height, spec.width),
            normalize=True,  # scaling to [0, 1], mean and deviation are inside every bundle's graph
            num_classes=classes,
            channels=spec.channels,
            resize=spec.resize,
            mean=spec.mean,
            std=spec.std,
        ),
        name=manifest.name,
        version=manifest.version,
        created=manifest.created,
        classes=manifest.classes,
        metrics_by_split=manifest.metrics,
        temperature=manifest.temperature,
        coverage=manifest.conformal.coverage,
        threshold=manifest.conformal.threshold,
        dataset=manifest.dataset.name,
        dataset_fingerprint=manifest.dataset.fingerprint,
    )


def _accuracy(metrics: dict[str, dict[str, Any]]) -> float | None:
    """Of the test split, else of the validation split, else None."""
    found = (metrics[split]["accuracy"] for split in ("test", "val") if "accuracy" in metrics.get(split, {}))
    return next(found, None)


def encode(value: msgspec.Struct) -> bytes:
    """JSON in UTF-8."""
    return msgspec.json.encode(value)
