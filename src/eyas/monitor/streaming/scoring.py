"""What every image is judged by, computed once: by the answers as by the monitor.

probabilities ─ predicted class, confidence ─┐
logits ─ energy ──────────────┬──────────────┼─► ImageScores
features ─ distance to class ─┴─ outlier rule ┘
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import ConfigError, DataError
from eyas.monitor.reference import energy
from eyas.monitor.streaming.calibration import Calibration, has_rows, read_calibration
from eyas.monitor.streaming.outliers import fit_outliers

log = logging.getLogger("eyas.monitor")


@dataclass(frozen=True, slots=True)
class ImageScores:
    """Of N images, in their order. A score is higher the less an image is like the held-out ones."""

    probabilities: NDArray[np.float32]
    """(N, K), as they came."""
    predicted: NDArray[np.int64]
    """(N,) index of the most probable class; the lowest index where two are equal."""
    confidence: NDArray[np.float32]
    """(N,) probability of that class."""
    energy: NDArray[np.float32]
    """(N,) -ln Σ_k exp z_k."""
    distance: NDArray[np.float32]
    """(N,) of the features to the predicted class, at least 0; NaN without features."""
    outlier: NDArray[np.float64]
    """(N,) energy and a third of the distance, each in units of its own spread; one that is NaN is left out."""
    unknown: NDArray[np.bool_]
    """(N,) like no held-out image: `outlier` is above the threshold."""

    def __len__(self) -> int:
        return len(self.predicted)

    def __getitem__(self, rows: slice | list[int]) -> ImageScores:
        """Those of some of the images."""
        return ImageScores(
            self.probabilities[rows],
            self.predicted[rows],
            self.confidence[rows],
            self.energy[rows],
            self.distance[rows],
            self.outlier[rows],
            self.unknown[rows],
        )


class Scoring:
    """What a bundle's held-out images say of others. It keeps none of them, and may be used from several threads.

    Args:
        calibration: what the bundle's reference says.
        outlier_rate: share of images like the held-out ones that may be called unknown, in [0, 1); 0: none is.

    Raises:
        ConfigError: the rate lies elsewhere.
    """

    def __init__(self, calibration: Calibration, outlier_rate: float = 0.01) -> None:
        if not 0 <= outlier_rate < 1:
            raise ConfigError(f"outlier_rate must be at least 0 and less than 1, got {outlier_rate}")
        self._failed = False
        self._classes, self._distance = calibration.classes, calibration.distance
        self._rule = fit_outliers(calibration.scores[1], calibration.scores[2], outlier_rate)
        self.threshold = self._rule.threshold
        """Of the outlier score; infinite where there are fewer than 1 / rate held-out images to set it."""

    @property
    def tells_unknown(self) -> bool:
        """Whether anything can be: the rate is not 0, and there are held-out images enough for it."""
        return isfinite(self.threshold)

    def score(
        self,
        probabilities: NDArray[np.float32],
        logits: NDArray[np.float32],
        features: NDArray[np.float32] | None = None,
    ) -> ImageScores:
        """Score N images.

        Args:
            probabilities: (N, K), as in the reference.
            logits: (N, K), before the temperature.
            features: (N, D), what the last layer sees; without them no distance.

        Raises:
            DataError: other shapes.
        """
        if probabilities.ndim != 2 or probabilities.shape[1] != self._classes or logits.shape != probabilities.shape:
            raise DataError(
                f"probabilities and logits must both have shape (N, {self._classes}), "
                f"got {probabilities.shape} and {logits.shape}"
            )
        predicted: NDArray[np.int64] = probabilities.argmax(axis=1)
        energies = energy(logits)
        distances = self._distances(features, predicted)
        outlier = self._rule.score(energies, distances)
        confidence: NDArray[np.float32] = np.maximum.reduce(probabilities, axis=1)
        unknown = outlier > self.threshold
        return ImageScores(probabilities, predicted, confidence, energies, distances, outlier, unknown)

    def attempt(
        self, probabilities: NDArray[np.float32], logits: NDArray[np.float32], features: NDArray[np.float32]
    ) -> ImageScores | None:
        """`score`, or None: what goes wrong is never raised, and the first time logged."""
        try:
            return self.score(probabilities, logits, features)
        except Exception as error:  # noqa: BLE001 - a prediction never fails because of its scores
            if not self._failed:
                self._failed = True
                log.warning(f"images cannot be scored, so that none is said to be unknown or not: {error!r}")
            return None

    def _distances(self, features: NDArray[np.float32] | None, predicted: NDArray[np.int64]) -> NDArray[np.float32]:
        if features is None:
            return np.full(len(predicted), np.nan, np.float32)
        if features.shape != (expected := (len(predicted), self._distance.means.shape[1])):
            raise DataError(f"features must have shape {expected}, got {features.shape}")
        return self._distance.to_classes(features, predicted)


def open_scoring(reference: Mapping[str, NDArray[Any]], outlier_rate: float) -> Scoring | None:
    """By what `Bundle.reference()` gives; None where the bundle is older than the rows of its reference."""
    return Scoring(read_calibration(reference), outlier_rate) if has_rows(reference) else None
