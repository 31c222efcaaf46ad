"""`reference.npz`: what a model did on held-out images, in the form in which production will be compared with it.

| array | shape, dtype | what |
| --- | --- | --- |
| `images` | () int64 | N, the held-out images behind all of this; 0 says that nothing can be compared |
| `class_prior` | (K,) float64 | share of each true class; 0 everywhere where N = 0 |
| `predicted_prior` | (K,) float64 | share of each predicted class; 0 everywhere where N = 0 |
| `confusion` | (K, K) int64 | images; row = true class, column = predicted class |
| `nonconformity` | (N,) float32 | 1 - p_y, class after class, ascending within a class |
| `nonconformity_offsets` | (K+1,) int64 | class k is `nonconformity[offsets[k]:offsets[k+1]]` |
| `energy` | (N,) float32 | -ln Σ_k exp z_k, ascending; higher is less like the training images |
| `features` | (M, D) float16 | M = min(N, 1000), a sample in which each class has its share |
| `feature_labels` | (M,) int64 | true classes of `features`, ascending |
| `quantile_levels` | (Q,) float64 | of the two below |
| `pixel_mean_quantiles` | (C, Q) float64 | over images, of each channel's mean on [0, 1]; NaN where N = 0 |
| `pixel_std_quantiles` | (C, Q) float64 | over images, of each channel's deviation on [0, 1]; NaN where N = 0 |

Sources: nonconformity: Vovk, Gammerman & Shafer 2005. Label shift from priors and confusion: Lipton, Wang & Smola 2018.
Energy: Liu et al. 2020, *Energy-based Out-of-distribution Detection*, eq. 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError
from eyas.evaluate import confusion_matrix
from eyas.evaluate.arrays import Floats, Ints, check_labels, check_probabilities, check_scores

MAX_FEATURES = 1000
QUANTILE_LEVELS = (0.0, 0.01, *(round(0.05 * step, 2) for step in range(1, 20)), 0.99, 1.0)
# Bytes of images turned to floating point at once, eight times as much as float64.
CHUNK_BYTES = 1 << 24


def build_reference(
    probabilities: Floats, logits: Floats, features: Floats, labels: Ints, images: NDArray[np.uint8], *, seed: int = 0
) -> dict[str, NDArray[Any]]:
    """The arrays of `reference.npz`, by name; see the table above.

    Args:
        probabilities: (N, K), calibrated, rows sum to 1; of held-out images. N may be 0, where there is no such split.
        logits: (N, K), before the temperature.
        features: (N, D), what the last layer sees.
        labels: (N,) class indices in [0, K).
        images: (N, H, W, C) uint8, as the graph takes them.
        seed: of the sample of features.

    Raises:
        DataError: shapes that do not fit, numbers that are not finite, labels out of range.
    """
    check_probabilities(probabilities)
    count, size = probabilities.shape
    check_labels(labels, count, size)
    _check_companions(logits, features, images, probabilities.shape)
    truth = labels.astype(np.int64)
    confusion = confusion_matrix(truth, probabilities.argmax(axis=1), size)
    nonconformity, offsets = _nonconformity(probabilities, truth)
    sample = stratified_sample(truth, MAX_FEATURES, seed)
    means, deviations = _pixel_statistics(images)
    return {
        "images": np.array(count, np.int64),
        "class_prior": confusion.sum(axis=1) / max(count, 1),
        "predicted_prior": confusion.sum(axis=0) / max(count, 1),
        "confusion": confusion,
        "nonconformity": nonconformity,
        "nonconformity_offsets": offsets,
        "energy": np.sort(energy(logits)),
        "features": _float16(features[sample]),
        "feature_labels": truth[sample],
        "quantile_levels": np.array(QUANTILE_LEVELS),
        "pixel_mean_quantiles": _quantiles(means),
        "pixel_std_quantiles": _quantiles(deviations),
    }


def energy(logits: Floats) -> NDArray[np.float32]:
    """-ln Σ_k exp z_k for each row of (N, K) logits: (N,) float32, summed in float64."""
    z = logits.astype(np.float64)
    peak = z.max(axis=1)
    scores: NDArray[np.float32] = -(peak + np.log(np.exp(z - peak[:, None]).sum(axis=1))).astype(np.float32)
    return scores


def stratified_sample(labels: Ints, size: int, seed: int) -> NDArray[np.int64]:
    """Rows of a sample in which each class has its share of `size`, to within one image.

    Rows are shuffled, sorted by class, and taken at equal steps (systematic sampling), so a class with less than one
    step's worth of images may be left out.

    Returns:
        (min(N, size),) distinct rows, classes ascending.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    taken = min(len(labels), size)
    steps = (np.arange(taken) * 2 + 1) * len(labels) // (2 * max(taken, 1))  # the middle of each step, in integers
    rows: NDArray[np.int64] = by_class[steps].astype(np.int64)
    return rows


def _check_companions(logits: Floats, features: Floats, images: NDArray[np.uint8], shape: tuple[int, ...]) -> None:
    check_scores("logits", logits)
    if logits.shape != shape:
        raise DataError(f"logits must have the shape of probabilities, {shape}, got {logits.shape}")
    if features.ndim != 2 or len(features) != shape[0] or not np.isfinite(features).all():
        raise DataError(f"features must be finite and of shape ({shape[0]}, D), got {features.shape}")
    if images.ndim != 4 or len(images) != shape[0] or images.dtype != np.uint8:
        raise DataError(
            f"images must be uint8 and of shape ({shape[0]}, H, W, C), got {images.dtype} and {images.shape}"
        )


def _nonconformity(probabilities: Floats, labels: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """1 - p_y sorted by class, then by score, and where each class starts."""
    scores = (1 - probabilities[np.arange(len(labels)), labels].astype(np.float64)).astype(np.float32)
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return scores[np.lexsort((scores, labels))], offsets


def _pixel_statistics(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each image's mean and deviation by channel on [0, 1]: (N, C) each."""
    count, height, width, channels = images.shape
    step = max(1, CHUNK_BYTES // max(1, height * width * channels))
    means, deviations = np.empty((count, channels)), np.empty((count, channels))
    for start in range(0, count, step):
        part = images[start : start + step] / 255.0
        means[start : start + step] = part.mean(axis=(1, 2))
        deviations[start : start + step] = part.std(axis=(1, 2))
    return means, deviations


def _quantiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles down each column of (N, C): (C, Q), NaN where N = 0."""
    if not len(values):
        return np.full((values.shape[1], len(QUANTILE_LEVELS)), np.nan)
    found: NDArray[np.float64] = np.quantile(values, QUANTILE_LEVELS, axis=0).T
    return found


def _float16(features: Floats) -> NDArray[np.float16]:
    """Half precision: 3 digits are enough to compare with, and the few features beyond ±65504 are held there."""
    bound = float(np.finfo(np.float16).max)
    return features.clip(-bound, bound).astype(np.float16)
