from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from eyas.core.errors import DataError
from eyas.evaluate import softmax
from eyas.monitor import build_reference
from eyas.monitor.pixels import all_statistics
from eyas.monitor.streaming import Calibration, compare_batch, fit_outliers, read_calibration
from eyas.monitor.streaming.batch import BatchVerdict, hypergeometric, kolmogorov_smirnov


def made(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    labels = rng.integers(0, 4, n)
    logits = (rng.normal(size=(n, 4)) + 2 * np.eye(4)[labels]).astype(np.float32)
    features = (rng.normal(size=(n, 6)) + 2 * np.eye(4, 6)[labels]).astype(np.float32)
    images = rng.integers(0, 256, (n, 4, 4, 1), dtype=np.uint8)
    return {
        "probabilities": softmax(logits),
        "logits": logits,
        "features": features,
        "labels": labels,
        "images": images,
    }


def verdict(calibration: Calibration, arrays: dict[str, np.ndarray]) -> BatchVerdict:
    outputs = (arrays["probabilities"], arrays["logits"], arrays["features"])
    return compare_batch(calibration, *outputs, all_statistics(arrays["images"]))


def test_kolmogorov_smirnov_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    for n, m, apart in ((1000, 50, 0.0), (1000, 50, 0.3), (3000, 700, 0.08), (500, 100, 0.5)):
        old, new = rng.normal(size=n), rng.normal(size=m) + apart
        expected = scipy.stats.ks_2samp(old, new).pvalue
        assert kolmogorov_smirnov(old, new) == pytest.approx(expected, rel=0.12, abs=1e-3)


@given(st.integers(0, 40), st.integers(1, 30), st.integers(1, 60), st.data())
def test_hypergeometric_agrees_with_scipy(old_marked: int, batch: int, old: int, data: st.DataObject) -> None:
    old_marked = min(old_marked, old)
    drawn = data.draw(st.integers(0, batch))
    law = scipy.stats.hypergeom(old + batch, old_marked + drawn, batch)
    expected = min(1.0, 2 * min(law.cdf(drawn), law.sf(drawn - 1)))
    assert hypergeometric(drawn, old_marked + drawn, batch, old + batch) == pytest.approx(expected, abs=1e-9)


def test_a_batch_like_the_held_out_images_is_rarely_called_drifted() -> None:
    rng = np.random.default_rng(1)
    runs, wrong = 300, 0
    for _ in range(runs):
        wrong += verdict(read_calibration(build_reference(**made(rng, 300))), made(rng, 100)).p_value <= 0.05
    assert wrong / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5
    assert wrong > 0


def test_a_batch_tells_which_test_saw_what() -> None:
    rng = np.random.default_rng(2)
    calibration = read_calibration(build_reference(**made(rng, 1000)))
    darker = made(rng, 100)
    darker["images"] //= 2
    found = verdict(calibration, darker)
    assert found.p_value < 1e-6
    assert min(found.by_stream, key=found.by_stream.__getitem__).startswith("pixel")
    assert found.by_stream["energy"] > 1e-3
    many = made(rng, 400)
    gone = {name: array[many["labels"] != 2][:200] for name, array in many.items()}
    found = verdict(calibration, gone)
    assert found.p_value < 0.01
    assert found.by_class[1].argmin() == 2


def test_an_empty_batch_is_refused() -> None:
    rng = np.random.default_rng(3)
    with pytest.raises(DataError, match="at least one request"):
        verdict(read_calibration(build_reference(**made(rng, 50))), made(rng, 0))


def test_outliers_are_called_at_their_rate() -> None:
    rates = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        energy, distance = rng.normal(size=(2, 1500)).astype(np.float32) + rng.normal(size=1500).astype(np.float32)
        rule = fit_outliers(energy[:1000], distance[:1000], 0.05)
        pairs = zip(energy[1000:].tolist(), distance[1000:].tolist(), strict=True)
        rates.append(np.mean([rule.score(*pair) > rule.threshold for pair in pairs]))
    assert np.mean(rates) == pytest.approx(0.05, abs=4 * np.std(rates) / 60**0.5)


def test_one_large_score_of_either_kind_is_an_outlier() -> None:
    rng = np.random.default_rng(5)
    rule = fit_outliers(*rng.normal(size=(2, 2000)).astype(np.float32), 0.01)
    assert rule.score(9.0, 0.0) > rule.threshold
    assert rule.score(0.0, 9.0) > rule.threshold
    assert rule.score(9.0, float("nan")) > rule.threshold
    assert rule.score(-9.0, -9.0) < rule.threshold


@pytest.mark.parametrize("count", [0, 1, 50])
def test_too_few_images_call_nothing_an_outlier(count: int) -> None:
    rule = fit_outliers(np.zeros(count, np.float32), np.arange(count, dtype=np.float32), 0.01)
    assert not rule.score(1e9, 1e9) > rule.threshold
