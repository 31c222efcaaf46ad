"""One bundle in a worker's memory: loaded, proved by its golden answers, timed; it predicts and describes itself."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from eyas.bundle import Bundle, Manifest
from eyas.explain import Explanation, explain
from eyas.infer import Prediction, Predictor
from eyas.monitor.streaming import open_scoring
from eyas.serve.numbers import FEW, short
from eyas.serve.probe import gains, probe
from eyas.serve.schemas import Answer, ModelInfo, Preprocessor, Row

CREEP = 1.01  # of the seconds an image: they fall at once and rise slowly, so that a pause of the machine's is no news
MAX_BATCH = 8


class Model:
    """A bundle that is ready to answer. Its methods may be called from several threads at once.

    Args:
        bundle: opened.
        threads: of ONNX Runtime, for one prediction.
        name: that it is served as; the bundle's own where empty.
        outlier_rate: share of images like the held-out ones that may be called unknown, in [0, 1); 0: none is.
        optimised: what `eyas.infer.write_optimised` made of the bundle's graph.

    Raises:
        BundleError: the graph cannot be loaded.
        IntegrityError: it does not give its golden answers.
    """

    def __init__(
        self,
        bundle: Bundle,
        threads: int,
        name: str = "",
        outlier_rate: float = 0.0,
        optimised: Path | None = None,
    ) -> None:
        self.bundle = bundle
        self.name, self.version = name or bundle.manifest.name, bundle.manifest.version
        self.named = self.name, self.version
        self.scoring = open_scoring(bundle.reference(), outlier_rate)
        """What the held-out images say of others; None where the bundle does not know them."""
        self.tells_unknown = self.scoring is not None and self.scoring.tells_unknown
        """Whether answers say which images are like none held out."""
        scorer = self.scoring.attempt if self.scoring and self.tells_unknown else None
        self.info = _describe(bundle.manifest, self.name, outlier_rate if scorer else None)
        self._predictor = Predictor(bundle, threads, scorer, optimised)
        self._predictor.verify_golden()
        self.seconds, in_batch = self._probe()
        """Of one image's prediction, the least seen lately."""
        self.batch = MAX_BATCH if gains(self.seconds, in_batch) else 1
        """Images that are predicted together where they wait together; 1 where that gains nothing."""

    @property
    def pace(self) -> str:
        """How fast it runs, and whether in batches, for the log."""
        batches = f"in batches of up to {self.batch}" if self.batch > 1 else "one by one: batches would gain nothing"
        return f"{self.name} {self.version}: {self.seconds * 1e3:.2g} ms an image, {batches}"

    def predict(self, images: NDArray[np.uint8], *, cam: bool = False) -> Prediction:
        """The graph's answers to (N, H, W, C) uint8 images; `cam`: class activation maps among them."""
        began = perf_counter()
        prediction = self._predictor.run(images, cam=cam)
        took = (perf_counter() - began) / max(1, len(images))
        self.seconds = min(took, CREEP * self.seconds)
        return prediction

    def explain(self, image: NDArray[np.uint8], method: str, index: int | None, seconds: float) -> Explanation:
        """Which parts of one (H, W, C) uint8 image speak for a class; see `eyas.explain`."""
        return explain(self._predictor, image, method, index, seconds=seconds)

    def answer(self, prediction: Prediction, name: str) -> Answer:
        """A prediction as the service tells it."""
        rows = self.rows(prediction)
        return Answer(
            predictions=[row.prediction for row in rows],
            confidence=[row.confidence for row in rows],
            probabilities=[row.probabilities for row in rows],
            labels=[row.label for row in rows],
            needs_review=[row.needs_review for row in rows],
            unknown=None if prediction.unknown is None else prediction.unknown.tolist(),
            version=self.version,
            id=name,
        )

    def rows(self, prediction: Prediction) -> list[Row]:
        """A prediction image by image, as the platforms want it."""
        rows = short(prediction.probabilities)
        few = prediction.probabilities.size <= FEW
        classes = [row.index(max(row)) for row in rows] if few else prediction.classes.tolist()
        reviews, told = prediction.needs_review.tolist(), prediction.unknown
        unknown = [None] * len(rows) if told is None else told.tolist()
        return [
            Row(k, self.bundle.classes[k], row[k], row, *said)
            for k, row, *said in zip(classes, rows, reviews, unknown, strict=True)
        ]

    def _probe(self) -> tuple[float, float]:
        """Seconds an image, alone and in a batch."""
        images = self.bundle.golden().images
        one, many = images[:1], np.resize(images, (MAX_BATCH, *images.shape[1:]))
        return probe(lambda: self._time(one), lambda: self._time(many), MAX_BATCH)

    def _time(self, images: NDArray[np.uint8]) -> float:
        began = perf_counter()
        self._predictor.run(images)
        return perf_counter() - began


def _describe(manifest: Manifest, name: str, outlier_rate: float | None) -> ModelInfo:
    spec, classes = manifest.input, len(manifest.classes)
    return ModelInfo(
        architecture=manifest.architecture,
        framework=manifest.framework,
        input_shape=f"(None, {spec.height}, {spec.width}, {spec.channels})",
        output_shape=f"(None, {classes})",
        num_trainable_params=manifest.parameters,
        metrics=manifest.accuracy,
        preprocessor=Preprocessor(
            target_size=(spec.height, spec.width),
            normalize=True,  # scaling to [0, 1], mean and deviation are inside every bundle's graph
            num_classes=classes,
            channels=spec.channels,
            resize=spec.resize,
            mean=spec.mean,
            std=spec.std,
        ),
        name=name,
        version=manifest.version,
        created=manifest.created,
        classes=manifest.classes,
        metrics_by_split=manifest.metrics,
        temperature=manifest.temperature,
        coverage=manifest.conformal.coverage,
        outlier_rate=outlier_rate,
        threshold=manifest.conformal.threshold,
        dataset=manifest.dataset.name,
        dataset_fingerprint=manifest.dataset.fingerprint,
    )
