"""The monitor as a whole, on scikit-learn's handwritten digits and a network of its own that learned some of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import pytest
from river import drift
from scipy.ndimage import rotate
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from eyas.core.errors import ConfigError, DataError
from eyas.evaluate import softmax
from eyas.monitor import build_reference
from eyas.monitor.pixels import all_statistics
from eyas.monitor.streaming import (
    Alarm,
    ImageScores,
    Kind,
    Monitor,
    MonitorConfig,
    Scoring,
    likeliest_shares,
    read_calibration,
)

LEARNED, HELD_OUT = 500, 650


@dataclass(frozen=True)
class Digits:
    """A logistic model of 500 digits whose features are its 64 pixels, and 647 digits that it never saw."""

    images: np.ndarray
    labels: np.ndarray
    model: LogisticRegression
    reference: dict[str, np.ndarray]

    def answers(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        features = images.reshape(len(images), -1).astype(np.float32) / 255
        logits = self.model.decision_function(features).astype(np.float32)
        return softmax(logits), logits, features

    def monitor(self, **config: float) -> Monitor:
        return Monitor(read_calibration(self.reference), MonitorConfig(**config))  # type: ignore[arg-type]

    def scores(self, images: np.ndarray, outlier_rate: float = 0.01) -> ImageScores:
        return Scoring(read_calibration(self.reference), outlier_rate).score(*self.answers(images))

    def feed(self, monitor: Monitor, images: np.ndarray, name: str = "digit") -> list[Alarm]:
        ids = [f"{name}-{row}" for row in range(len(images))]
        found = monitor.observe_many(ids, self.scores(images), all_statistics(images))
        assert monitor.failures == 0, monitor.last_failure
        return [alarm for alarm in found if alarm]


@pytest.fixture(scope="module")
def digits() -> Digits:
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images = np.round(data.images[order] * 255 / 16).astype(np.uint8)[..., None]
    labels = data.target[order].astype(np.int64)
    model = LogisticRegression(C=0.3, max_iter=1000).fit(images[:LEARNED].reshape(LEARNED, -1) / 255, labels[:LEARNED])
    end = LEARNED + HELD_OUT
    found = Digits(images[end:], labels[end:], model, {})
    held_out = images[LEARNED:end]
    found.reference.update(build_reference(*found.answers(held_out), labels[LEARNED:end], held_out))
    return found


def turned(images: np.ndarray) -> np.ndarray:
    return np.clip(rotate(images, 60, axes=(1, 2), reshape=False, order=1), 0, 255).astype(np.uint8)


def noisy(images: np.ndarray) -> np.ndarray:
    return np.clip(images + np.random.default_rng(1).normal(0, 100, images.shape), 0, 255).astype(np.uint8)


def moved(images: np.ndarray) -> np.ndarray:
    return np.roll(images, 2, axis=2)


def test_digits_like_the_held_out_ones_raise_no_alarm(digits: Digits) -> None:
    for seed in range(5):
        monitor = digits.monitor(seed=seed)
        order = np.random.default_rng(seed).permutation(len(digits.images))
        assert digits.feed(monitor, digits.images[order]) == []
        assert monitor.ever_drifted == ()
        assert not monitor.changing


@pytest.mark.parametrize("change", [None, turned, noisy])
def test_rivers_tests_of_the_confidence_say_the_same(
    digits: Digits, change: Callable[[np.ndarray], np.ndarray] | None
) -> None:
    """ADWIN (Bifet & Gavaldà 2007) and Page-Hinkley, as river has them."""
    images = digits.images if change is None else np.concatenate([digits.images[:300], change(digits.images[300:])])
    monitor, detectors = digits.monitor(), (drift.ADWIN(), drift.PageHinkley(threshold=20, delta=0.05))
    alarms = digits.feed(monitor, images)
    found = []
    for detector in detectors:
        told = []
        for at, doubt in enumerate((1 - digits.scores(images).confidence).tolist(), start=1):
            detector.update(doubt)
            told += [at] if detector.drift_detected else []
        found.append(told)
    assert [bool(told) for told in found] == [bool(alarms)] * 2
    if alarms:
        assert alarms[0].at <= min(told[0] for told in found)  # and sooner than either


@pytest.mark.parametrize("change", [turned, noisy, moved])
def test_other_images_are_told_within_a_hundred_requests(
    digits: Digits, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    monitor = digits.monitor()
    assert digits.feed(monitor, digits.images[:300]) == []
    alarms = digits.feed(monitor, change(digits.images[300:]), "changed")
    assert len(alarms) == 1  # one change, one alarm, however long it lasts
    alarm = alarms[0]
    assert alarm.kind in {Kind.COVARIATE, Kind.INPUT, Kind.OUTLIERS}
    assert 300 < alarm.at <= 400
    assert 260 < alarm.since <= alarm.at
    assert alarm.since_id == (f"changed-{alarm.since - 301}" if alarm.since > 300 else f"digit-{alarm.since - 1}")
    assert all(0 <= change.share_before <= 1 for change in alarm.classes)
    assert monitor.changing
    changed = [name for name in alarm.examples if name.startswith("changed-")]
    assert len(changed) >= len(alarm.examples) / 2


def test_a_class_that_stays_away_is_a_label_shift_and_named(digits: Digits) -> None:
    monitor = digits.monitor()
    assert digits.feed(monitor, digits.images[:100]) == []
    rest, labels = digits.images[100:], digits.labels[100:]
    (alarm,) = digits.feed(monitor, rest[labels != 3])
    assert alarm.kind is Kind.LABEL
    assert alarm.streams == ("predicted class",)
    assert [change.index for change in alarm.classes] == [3]
    assert alarm.classes[0].share_since < 0.04 < alarm.classes[0].share_before
    assert abs(alarm.since - 100) < 60


def test_other_shares_are_a_label_shift_and_estimated(digits: Digits) -> None:
    monitor = digits.monitor()
    wanted = np.concatenate([np.flatnonzero(digits.labels == k)[: 60 if k in {1, 7} else 6] for k in range(10)])
    rows = np.random.default_rng(2).permutation(wanted)
    (alarm,) = digits.feed(monitor, digits.images[rows])
    assert alarm.kind is Kind.LABEL
    assert {1, 7} & {change.index for change in alarm.classes}
    true = np.bincount(digits.labels[rows], minlength=10) / len(rows)
    calibration = monitor.calibration
    likeliest = likeliest_shares(digits.answers(digits.images[rows])[0], calibration.probabilities.mean(axis=0))
    assert np.abs(likeliest - true).sum() < 0.3  # of a network not calibrated, and 168 digits
    before = np.abs(calibration.prior - true).sum()
    assert np.abs(likeliest - true).sum() < before / 3


def test_some_strange_images_among_others_are_outliers(digits: Digits) -> None:
    monitor = digits.monitor()
    images = digits.images.copy()
    images[::8] = np.random.default_rng(3).integers(0, 256, images[::8].shape, dtype=np.uint8)
    alarms = digits.feed(monitor, images)
    assert alarms
    assert alarms[0].kind is Kind.OUTLIERS
    assert 0.02 < alarms[0].outlier_share < 0.3
    assert sum(int(name.removeprefix("digit-")) % 8 == 0 for name in alarms[0].examples) >= len(alarms[0].examples) - 1


def test_once_it_is_over_the_next_change_is_told_again(digits: Digits) -> None:
    monitor = digits.monitor()
    assert len(digits.feed(monitor, turned(digits.images[:80]))) == 1
    drifted = monitor.ever_drifted
    assert drifted
    for image in np.concatenate([digits.images[80:]] * 12):
        digits.feed(monitor, image[None])
        if not monitor.changing:
            break
    assert not monitor.changing
    assert set(monitor.ever_drifted) >= set(drifted)  # that it drifted once stays true
    before = monitor.requests
    (alarm,) = digits.feed(monitor, turned(digits.images[:80]))
    assert before < alarm.at
    assert abs(alarm.since - before) < 20


def test_unknown_is_said_at_about_its_rate_and_of_strange_images(digits: Digits) -> None:
    def share(images: np.ndarray) -> float:
        return float(digits.scores(images, 0.05).unknown.mean())

    assert share(digits.images) < 0.05 + 4 * (0.05 / 244) ** 0.5  # of the threshold's 244 images
    assert share(255 - digits.images[:50]) > 0.9


def test_a_failure_is_counted_and_never_raised(digits: Digits) -> None:
    monitor = digits.monitor()
    scores, pixels = digits.scores(digits.images[:1]), all_statistics(digits.images[:1])
    broken = [
        (replace(scores, energy=scores.energy * np.nan), pixels),
        (scores, pixels[:, :1]),
        (digits.scores(digits.images[:2]), pixels),
        (None, None),
    ]
    for answer in broken:
        assert monitor.observe_many(["broken"], *answer) == [None]  # type: ignore[arg-type]
    assert monitor.failures == len(broken)
    assert monitor.requests == 0
    assert monitor.last_failure
    monitor.observe_many(["sound"], scores, pixels)
    assert monitor.requests == 1


def test_requests_without_features_or_pixels_are_tested_by_the_rest(digits: Digits) -> None:
    monitor = digits.monitor()
    probabilities, logits, _ = digits.answers(turned(digits.images[:100]))
    scores = Scoring(monitor.calibration).score(probabilities, logits)
    found = [alarm for alarm in monitor.observe_many([""] * 100, scores) if alarm]
    assert monitor.failures == 0
    assert len(found) == 1
    assert set(found[0].streams) <= {"confidence", "energy", "predicted class"}


def test_a_kept_state_goes_on_and_never_grows(digits: Digits) -> None:
    first = digits.monitor()
    digits.feed(first, digits.images[:200])
    kept = first.state()
    second = digits.monitor()
    second.restore(kept)
    assert second.requests == 200
    with np.load(BytesIO(kept)) as one, np.load(BytesIO(second.state())) as other:
        assert set(one.files) == set(other.files)
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])
    (alarm,) = digits.feed(second, turned(digits.images[200:300]))
    assert 190 < alarm.since < alarm.at
    assert second.requests == 300
    digits.feed(second, digits.images)
    assert len(second.state()) <= len(kept) * 1.1


def test_the_state_of_another_model_is_refused(digits: Digits) -> None:
    other = {**digits.reference, "row_energy": digits.reference["row_energy"] + 1}
    with pytest.raises(DataError, match="the state must have format, calibration and seed"):
        digits.monitor().restore(Monitor(read_calibration(other)).state())


def test_a_damaged_state_is_refused(digits: Digits) -> None:
    with pytest.raises(ValueError, match="zip"):
        digits.monitor().restore(digits.monitor().state()[:-30])


def test_a_bundle_from_before_the_rows_is_told_so(digits: Digits) -> None:
    old = {name: array for name, array in digits.reference.items() if not name.startswith(("row_", "distance_"))}
    with pytest.raises(DataError, match="older than the streaming tests"):
        read_calibration(old)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_few_held_out_images_make_a_monitor_that_knows_little_and_works(digits: Digits, count: int) -> None:
    some = digits.images[:count]
    reference = build_reference(*digits.answers(some), digits.labels[:count], some)
    monitor = Monitor(read_calibration(reference))
    assert digits.feed(monitor, digits.images[count : count + 200]) == []


def test_no_held_out_images_are_refused(digits: Digits) -> None:
    none = digits.images[:0]
    arrays = build_reference(np.ones((0, 10)) / 10, np.ones((0, 10)), np.ones((0, 64)), digits.labels[:0], none)
    with pytest.raises(DataError, match="no held-out images"):
        read_calibration(arrays)


@pytest.mark.parametrize("wrong", [{"false_alarms": 0}, {"false_alarms": 1.0}, {"horizon": 0}, {"remembered": 0}])
def test_rates_and_sizes_have_their_bounds(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        MonitorConfig(**wrong)  # type: ignore[arg-type]
