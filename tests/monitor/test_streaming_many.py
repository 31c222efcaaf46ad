"""Many requests at once are to the monitor what they are one by one, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.monitor import build_reference
from eyas.monitor.streaming import Alarm, Calibration, ImageScores, Monitor, MonitorConfig, Scoring, read_calibration

CLASSES, WIDTH, HELD_OUT, REQUESTS = 5, 12, 400, 480


Stream = tuple[ImageScores, np.ndarray]
Fed = tuple[Monitor, list[Alarm | None]]


def answers(rng: np.random.Generator, count: int, apart: float = 0.0) -> tuple[np.ndarray, ...]:
    """Probabilities, logits, features, labels and images of made-up pictures; `apart`: how far from the usual ones."""
    labels = rng.integers(0, CLASSES, count)
    features = rng.normal(apart, 1, (count, WIDTH))
    features[np.arange(count), labels] += 3
    logits = (2 * features[:, :CLASSES]).astype(np.float32)
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exponents / exponents.sum(axis=1, keepdims=True)
    images = np.clip(rng.normal(120 + 60 * apart, 40, (count, 4, 4, 1)), 0, 255).astype(np.uint8)
    return probabilities, logits, features.astype(np.float32), labels, images


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return read_calibration(build_reference(*answers(np.random.default_rng(0), HELD_OUT)))


@pytest.fixture(scope="module")
def stream(calibration: Calibration) -> Stream:
    """Requests as ever, others, as ever, others again; some broken, some without what others have."""
    rng = np.random.default_rng(1)
    parts = [answers(rng, 120), answers(rng, 60, apart=1.5), answers(rng, 220), answers(rng, 80, apart=-1.5)]
    probabilities, logits, features, _, images = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    logits[[7, 8, 130]] = np.nan
    scores = Scoring(calibration, 0.02).score(probabilities, logits, features)
    distance = scores.distance.copy()
    distance[50:60] = np.nan
    pixels = np.stack([images.mean((1, 2, 3)), images.std((1, 2, 3))], axis=1).astype(np.float32) / 255
    pixels[90:100] = np.nan
    return replace(scores, distance=distance), pixels


def fed(monitor: Monitor, stream: Stream, cuts: list[int]) -> list[Alarm | None]:
    scores, pixels = stream
    alarms: list[Alarm | None] = []
    for start, end in zip([0, *cuts], [*cuts, len(scores)], strict=True):
        ids = [f"request-{number}" for number in range(start, end)]
        alarms += monitor.observe_many(ids, scores[start:end], pixels[start:end])
    return alarms


def assert_same_state(one: Monitor, other: Monitor) -> None:
    with np.load(BytesIO(one.state())) as first, np.load(BytesIO(other.state())) as second:
        assert first.files == second.files
        for name in first.files:
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    assert repr(one.last_alarm) == repr(other.last_alarm)  # NaN is not itself
    assert one.ever_drifted == other.ever_drifted
    assert one.failures == other.failures


@pytest.fixture(scope="module", params=[8, 512])
def one_by_one(request: pytest.FixtureRequest, calibration: Calibration, stream: Stream) -> Fed:
    config = MonitorConfig(false_alarms=0.2, horizon=1000, remembered=request.param)
    monitor = Monitor(calibration, config)
    return monitor, fed(monitor, stream, [*range(1, REQUESTS)])


@settings(derandomize=True, deadline=None, max_examples=25)
@given(cuts=st.lists(st.integers(0, REQUESTS), max_size=6).map(sorted))
def test_many_at_once_are_what_they_are_one_by_one(
    calibration: Calibration, stream: Stream, one_by_one: Fed, cuts: list[int]
) -> None:
    expected, alarms = one_by_one
    monitor = Monitor(calibration, expected.config)
    assert repr(fed(monitor, stream, cuts)) == repr(alarms)
    assert_same_state(monitor, expected)


def test_the_stream_has_alarms_ends_and_failures(one_by_one: Fed) -> None:
    monitor, alarms = one_by_one
    assert sum(alarm is not None for alarm in alarms) >= 1
    assert monitor.failures == 3
    assert monitor.ever_drifted
    assert monitor.requests == REQUESTS - 3
    if monitor.config.remembered == 8:
        assert len({alarm.at for alarm in alarms if alarm}) >= 2  # a change ended, another began


def test_counts_are_scaled_back_in_the_middle_of_many(calibration: Calibration, stream: Stream) -> None:
    one, many = Monitor(calibration), Monitor(calibration)
    for monitor in (one, many):
        shares = monitor._streams.shares
        shares._unit = shares._recent_total = 0.9e100
        shares.recent[0] = 0.9e100
    scores, pixels = stream[0][:120], stream[1][:120]
    fed(one, (scores, pixels), [*range(1, 120)])
    fed(many, (scores, pixels), [60])
    assert_same_state(one, many)
    assert one._streams.shares._unit < 1e10


def test_an_image_has_the_same_scores_in_any_company(calibration: Calibration) -> None:
    probabilities, logits, features, *_ = answers(np.random.default_rng(2), 64)
    scoring = Scoring(calibration)
    together = scoring.score(probabilities, logits, features)
    for row in range(64):
        part = slice(row, row + 1)
        alone = scoring.score(probabilities[part], logits[part], features[part])
        for name in ImageScores.__slots__:
            np.testing.assert_array_equal(getattr(alone, name), getattr(together[part], name))
