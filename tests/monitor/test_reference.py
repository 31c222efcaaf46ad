from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest

from eyas.core.errors import DataError
from eyas.evaluate import softmax
from eyas.monitor import MAX_FEATURES, QUANTILE_LEVELS, build_reference
from eyas.monitor.distance import fit_distance
from eyas.monitor.pixels import all_statistics
from eyas.monitor.reference import energy, stratified_sample


def made(n: int, k: int, *, labels: np.ndarray | None = None, channels: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    logits = rng.normal(size=(n, k)).astype(np.float32) * 2
    return {
        "probabilities": softmax(logits),
        "logits": logits,
        "features": rng.normal(size=(n, 8)).astype(np.float32),
        "labels": rng.integers(0, k, n) if labels is None else labels,
        "images": rng.integers(0, 256, (n, 6, 5, channels), dtype=np.uint8),
    }


def expected_shapes(n: int, k: int, channels: int) -> dict[str, tuple[tuple[int, ...], str]]:
    m, q = min((n + 1) // 2, MAX_FEATURES), len(QUANTILE_LEVELS)
    return {
        "images": ((), "int64"),
        "class_prior": ((k,), "float64"),
        "predicted_prior": ((k,), "float64"),
        "confusion": ((k, k), "int64"),
        "nonconformity": ((n,), "float32"),
        "nonconformity_offsets": ((k + 1,), "int64"),
        "energy": ((n,), "float32"),
        "features": ((m, 8), "float16"),
        "feature_labels": ((m,), "int64"),
        "quantile_levels": ((q,), "float64"),
        "pixel_mean_quantiles": ((channels, q), "float64"),
        "pixel_std_quantiles": ((channels, q), "float64"),
        "distance_means": ((k, 8), "float16"),
        "distance_axes": ((8, min(4, m)), "float32"),
        "row_label": ((n,), "int32"),
        "row_predicted": ((n,), "int32"),
        "row_confidence": ((n,), "float32"),
        "row_energy": ((n,), "float32"),
        "row_distance": ((n,), "float32"),
        "row_pixels": ((n, 2 * channels), "float32"),
        "row_probabilities": ((n, k), "float16"),
    }


@pytest.mark.parametrize(("n", "k", "channels"), [(2300, 10, 3), (40, 2, 1), (1, 2, 1), (0, 5, 3)])
def test_every_array_has_its_documented_shape_and_is_saved_without_pickle(n: int, k: int, channels: int) -> None:
    reference = build_reference(**made(n, k, channels=channels))
    shapes = {name: (array.shape, str(array.dtype)) for name, array in reference.items()}
    assert shapes == expected_shapes(n, k, channels)
    file = io.BytesIO()
    np.savez_compressed(file, **reference)
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        assert set(archive.files) == set(reference)
        for name in archive.files:
            np.testing.assert_array_equal(archive[name], reference[name])


def test_no_images_gives_zero_priors_and_unknown_pixels() -> None:
    reference = build_reference(**made(0, 4))
    assert reference["images"] == 0
    assert not reference["class_prior"].any()
    assert not reference["predicted_prior"].any()
    assert not reference["confusion"].any()
    assert not reference["nonconformity_offsets"].any()
    assert np.isnan(reference["pixel_mean_quantiles"]).all()


def test_nonconformity_is_sorted_within_its_class() -> None:
    arrays = made(500, 6)
    reference = build_reference(**arrays)
    offsets = reference["nonconformity_offsets"]
    for k in range(6):
        mine = reference["nonconformity"][offsets[k] : offsets[k + 1]]
        truth = np.sort(1 - arrays["probabilities"][arrays["labels"] == k, k])
        np.testing.assert_allclose(mine, truth, atol=1e-6)


def test_a_class_without_images_has_an_empty_range_and_no_prior() -> None:
    reference = build_reference(**made(30, 5, labels=np.repeat([0, 2, 4], 10)))
    np.testing.assert_array_equal(reference["nonconformity_offsets"], [0, 10, 10, 20, 20, 30])
    np.testing.assert_allclose(reference["class_prior"], [1 / 3, 0, 1 / 3, 0, 1 / 3])
    assert not reference["confusion"][[1, 3]].any()
    assert reference["predicted_prior"].sum() == pytest.approx(1)


def test_confusion_agrees_with_both_priors() -> None:
    reference = build_reference(**made(321, 7))
    np.testing.assert_allclose(reference["confusion"].sum(axis=1) / 321, reference["class_prior"])
    np.testing.assert_allclose(reference["confusion"].sum(axis=0) / 321, reference["predicted_prior"])


def test_energy_is_minus_the_log_of_the_summed_exponentials() -> None:
    logits = np.array([[0.0, 0.0], [1.0, 3.0]], np.float32)
    np.testing.assert_allclose(energy(logits), [-np.log(2), -np.log(np.e + np.e**3)], rtol=1e-6)
    assert energy(np.array([[1e4, 0.0]], np.float32))[0] == -1e4  # no overflow
    assert (np.diff(build_reference(**made(99, 3))["energy"]) >= 0).all()


def test_the_sample_gives_each_class_its_share() -> None:
    labels = np.random.default_rng(3).choice(5, 7000, p=[0.5, 0.3, 0.1, 0.07, 0.03])
    rows = stratified_sample(labels, 1000, seed=0)
    assert len(set(rows.tolist())) == 1000
    share = np.bincount(labels, minlength=5) / 7
    assert (np.abs(np.bincount(labels[rows], minlength=5) - share) <= 1).all()
    np.testing.assert_array_equal(rows, stratified_sample(labels, 1000, seed=0))
    assert not np.array_equal(rows, stratified_sample(labels, 1000, seed=1))


def test_few_images_are_all_sampled() -> None:
    rows = stratified_sample(np.array([1, 0, 1, 0, 2]), 1000, seed=0)
    assert sorted(rows.tolist()) == [0, 1, 2, 3, 4]
    assert [int(x) for x in np.array([1, 0, 1, 0, 2])[rows]] == [0, 0, 1, 1, 2]


def test_features_keep_their_labels_and_stay_finite_in_half_precision() -> None:
    arrays = made(50, 3)
    arrays["features"][:, 0] = arrays["labels"]
    arrays["features"][:, 1] = 1e6
    reference = build_reference(**arrays)
    np.testing.assert_array_equal(reference["features"][:, 0], reference["feature_labels"])
    assert (reference["features"][:, 1] == np.finfo(np.float16).max).all()


def test_pixel_quantiles_are_of_each_images_channels() -> None:
    arrays = made(3, 2)
    arrays["images"][...] = np.array([0, 51, 255], np.uint8)[:, None, None, None]
    reference = build_reference(**arrays)
    middle = list(QUANTILE_LEVELS).index(0.5)
    np.testing.assert_allclose(reference["pixel_mean_quantiles"][:, [0, middle, -1]], [[0, 0.2, 1]] * 3, atol=1e-7)
    np.testing.assert_allclose(reference["pixel_std_quantiles"], 0, atol=1e-6)


def test_a_large_image_is_thinned_and_a_small_one_read_whole() -> None:
    image = np.random.default_rng(0).integers(0, 256, (31, 127, 3), dtype=np.uint8)
    whole = np.concatenate([image.mean(axis=(0, 1)), image.std(axis=(0, 1))]) / 255
    np.testing.assert_allclose(all_statistics(image[None])[0], whole, rtol=1e-6)
    large = np.kron(image, np.ones((16, 16, 1), np.uint8))
    np.testing.assert_allclose(all_statistics(large[None])[0], whole, atol=0.02)


def test_rows_are_whole_images_and_those_of_the_bank_have_no_distance() -> None:
    arrays = made(60, 4)
    reference = build_reference(**arrays)
    assert np.isnan(reference["row_distance"]).sum() == len(reference["features"]) == 30
    order = [int(np.argmin(np.abs(energy(arrays["logits"]) - value))) for value in reference["row_energy"]]
    assert sorted(order) == list(range(60))
    np.testing.assert_array_equal(arrays["labels"][order], reference["row_label"])
    np.testing.assert_array_equal(arrays["probabilities"][order].max(axis=1), reference["row_confidence"])
    np.testing.assert_array_equal(arrays["probabilities"][order].argmax(axis=1), reference["row_predicted"])
    np.testing.assert_allclose(arrays["probabilities"][order], reference["row_probabilities"], rtol=1e-3)
    np.testing.assert_array_equal(all_statistics(arrays["images"])[order], reference["row_pixels"])


def test_distance_is_that_of_probabilistic_pca() -> None:
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(3), 200)
    features = rng.normal(size=(600, 6)) @ rng.normal(size=(6, 6)) + rng.normal(size=(3, 6))[labels] * 4
    fitted = fit_distance(features, labels, 3)
    means = np.stack([(features[labels == k].sum(axis=0) + features.mean(axis=0)) / 201 for k in range(3)])
    within = features - means[labels]
    values, vectors = np.linalg.eigh(within.T @ within / 600)
    sigma2 = values[:3].mean()
    covariance = vectors @ np.diag([sigma2] * 3 + list(values[3:])) @ vectors.T
    apart = features - means[1]
    expected = sigma2 * np.einsum("ij,jk,ik->i", apart, np.linalg.inv(covariance), apart)
    np.testing.assert_allclose(fitted.to_classes(features, np.ones(600, np.int64)), expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("logits", lambda a: a[:, :2], "logits must have the shape of probabilities"),
        ("logits", lambda a: a * np.nan, "logits must be finite"),
        ("features", lambda a: a[:3], "features must be finite and of shape"),
        ("features", lambda a: a * np.inf, "features must be finite and of shape"),
        ("labels", lambda a: a + 3, r"labels must lie in \[0, 2\]"),
        ("images", lambda a: a.astype(np.float32), "images must be uint8"),
        ("images", lambda a: a[..., 0], "images must be uint8"),
        ("probabilities", lambda a: a * 2, "probabilities must be at least 0 and sum to 1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name: str, spoil: Callable[[np.ndarray], np.ndarray], message: str) -> None:
    arrays = made(10, 3)
    arrays[name] = spoil(arrays[name])
    with pytest.raises(DataError, match=message):
        build_reference(**arrays)
