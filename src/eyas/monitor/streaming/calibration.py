"""`reference.npz` as the streaming tests read it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError
from eyas.monitor.distance import FeatureDistance

CONFIDENCE, ENERGY, DISTANCE = "confidence", "energy", "distance"
ROWS = ("row_label", "row_predicted", "row_confidence", "row_energy", "row_distance", "row_pixels")
FITTED = ("distance_means", "distance_axes", "confusion", "class_prior", "row_probabilities")


@dataclass(frozen=True)
class Calibration:
    """R held-out images, one row each, and what their scores were computed with. Read only.

    A score is a number that is higher the less an image is like the held-out ones: 1 - confidence, energy, distance,
    and of the pixels just the number itself.
    """

    streams: tuple[str, ...]
    scores: NDArray[np.float32]
    """(S, R), in the order of `streams`; NaN where an image has none."""
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    """(P, K), of the first P ≤ R rows."""
    prior: NDArray[np.float64]
    """(K,) shares of the true classes."""
    distance: FeatureDistance
    fingerprint: int
    """CRC-32 of the scores: a kept state belongs to one calibration."""

    @property
    def classes(self) -> int:
        """K."""
        return len(self.prior)

    @property
    def channels(self) -> int:
        """C of the images."""
        return (len(self.streams) - 3) // 2


def has_rows(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Whether `read_calibration` takes what `Bundle.reference()` gives."""
    return all(name in arrays for name in (*ROWS, *FITTED)) and len(arrays["row_label"]) > 0


def read_calibration(arrays: Mapping[str, NDArray[Any]]) -> Calibration:
    """The typed view of what `Bundle.reference()` gives.

    Raises:
        DataError: a bundle written before there were rows, or one without held-out images: nothing can be compared.
    """
    if missing := [name for name in (*ROWS, *FITTED) if name not in arrays]:
        raise DataError(
            f"reference.npz has no {', '.join(missing)}: this bundle is older than the streaming tests, which need it; "
            "export the run again"
        )
    if not len(arrays["row_label"]):
        raise DataError("reference.npz describes no held-out images, so there is nothing to compare with")
    scores = np.concatenate(
        [
            (1 - arrays["row_confidence"])[None],
            arrays["row_energy"][None],
            arrays["row_distance"][None],
            arrays["row_pixels"].T,
        ]
    ).astype(np.float32)
    channels = arrays["row_pixels"].shape[1] // 2
    pixels = [f"pixel {kind} {channel}" for kind in ("mean", "deviation") for channel in range(channels)]
    return Calibration(
        streams=(CONFIDENCE, ENERGY, DISTANCE, *pixels),
        scores=scores,
        labels=arrays["row_label"].astype(np.int64),
        predicted=arrays["row_predicted"].astype(np.int64),
        probabilities=arrays["row_probabilities"].astype(np.float32),
        prior=arrays["class_prior"].astype(np.float64),
        distance=FeatureDistance(arrays["distance_means"].astype(np.float32), arrays["distance_axes"]),
        fingerprint=zlib.crc32(np.ascontiguousarray(scores).tobytes()),
    )
