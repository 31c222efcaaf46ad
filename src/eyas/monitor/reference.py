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
| `features` | (M, D) float16 | M = min(⌈N/2⌉, 1000), the bank: a sample in which each class has its share |
| `feature_labels` | (M,) int64 | true classes of `features`, ascending |
| `quantile_levels` | (Q,) float64 | of the two below |
| `pixel_mean_quantiles` | (C, Q) float64 | over images, of each channel's mean on [0, 1]; NaN where N = 0 |
| `pixel_std_quantiles` | (C, Q) float64 | over images, of each channel's deviation on [0, 1]; NaN where N = 0 |
| `distance_means` | (K, D) float16 | of the bank by true class; see `eyas.monitor.distance` |
| `distance_axes` | (D, r) float32 | B of the distance; r = min(32, D // 2, D, M) |
| `row_label` | (R,) int32 | true class; R = min(N, 10000) images drawn at random, the same in all that follow |
| `row_predicted` | (R,) int32 | predicted class |
| `row_confidence` | (R,) float32 | of the predicted class |
| `row_energy` | (R,) float32 | not sorted |
| `row_distance` | (R,) float32 | of the features to the predicted class; NaN for the images of the bank itself |
| `row_pixels` | (R, 2C) float32 | each channel's mean, then each channel's deviation, on [0, 1] |
| `row_probabilities` | (P, K) float16 | of the first P rows, as many as fit into 1 MiB |

The rows are what the streaming tests calibrate themselves with: whole images, so that what belongs together stays
together, and computed as for a new image, so that both are exchangeable. Bundles written before they existed lack them.

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
from eyas.monitor.distance import FeatureDistance, fit_distance
from eyas.monitor.pixels import all_statistics

MAX_FEATURES = 1000
MAX_ROWS = 10_000
ROW_PROBABILITY_BYTES = 1 << 20
QUANTILE_LEVELS = (0.0, 0.01, *(round(0.05 * step, 2) for step in range(1, 20)), 0.99, 1.0)


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
    bank = stratified_sample(truth, min((count + 1) // 2, MAX_FEATURES), seed)
    banked = _float16(features[bank])
    fitted = fit_distance(banked, truth[bank], size)
    distance = FeatureDistance(fitted.means.astype(np.float16).astype(np.float32), fitted.axes)
    pixels = all_statistics(images)
    return {
        "images": np.array(count, np.int64),
        "class_prior": confusion.sum(axis=1) / max(count, 1),
        "predicted_prior": confusion.sum(axis=0) / max(count, 1),
        "confusion": confusion,
        "nonconformity": nonconformity,
        "nonconformity_offsets": offsets,
        "energy": np.sort(energy(logits)),
        "features": banked,
        "feature_labels": truth[bank],
        "quantile_levels": np.array(QUANTILE_LEVELS),
        "pixel_mean_quantiles": _quantiles(pixels[:, : images.shape[3]]),
        "pixel_std_quantiles": _quantiles(pixels[:, images.shape[3] :]),
        "distance_means": distance.means.astype(np.float16),
        "distance_axes": distance.axes,
        **_rows(probabilities, logits, features, truth, pixels, bank, distance, seed),
    }


def _rows(
    probabilities: Floats,
    logits: Floats,
    features: Floats,
    truth: NDArray[np.int64],
    pixels: NDArray[np.float32],
    bank: NDArray[np.int64],
    distance: FeatureDistance,
    seed: int,
) -> dict[str, NDArray[Any]]:
    """The arrays `row_*`: a random order of the images, cut at `MAX_ROWS`."""
    count, size = probabilities.shape
    rows = np.random.default_rng([seed, 1]).permutation(count)[:MAX_ROWS]
    chosen = probabilities[rows]
    predicted = chosen.argmax(axis=1).astype(np.int64)
    distances = distance.to_classes(features[rows], predicted)
    distances[np.isin(rows, bank)] = np.nan
    return {
        "row_label": truth[rows].astype(np.int32),
        "row_predicted": predicted.astype(np.int32),
        "row_confidence": chosen.max(axis=1).astype(np.float32),
        "row_energy": energy(logits[rows]),
        "row_distance": distances,
        "row_pixels": pixels[rows],
        "row_probabilities": chosen[: ROW_PROBABILITY_BYTES // (2 * size)].astype(np.float16),
    }


def energy(logits: Floats) -> NDArray[np.float32]:
    """-ln Σ_k exp z_k for each row of (N, K) logits: (N,) float32, summed in float64."""
    z = logits.astype(np.float64)
    peak = np.maximum.reduce(z, axis=1)
    z -= peak[:, None]
    total = np.add.reduce(np.exp(z, out=z), axis=1)
    scores: NDArray[np.float32] = np.negative(peak + np.log(total, out=total)).astype(np.float32)
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


def _quantiles(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Quantiles down each column of (N, C): (C, Q), NaN where N = 0."""
    if not len(values):
        return np.full((values.shape[1], len(QUANTILE_LEVELS)), np.nan)
    found: NDArray[np.float64] = np.quantile(values.astype(np.float64), QUANTILE_LEVELS, axis=0).T
    return found


def _float16(features: Floats) -> NDArray[np.float16]:
    """Half precision: 3 digits are enough to compare with, and the few features beyond ±65504 are held there."""
    bound = float(np.finfo(np.float16).max)
    return features.clip(-bound, bound).astype(np.float16)
