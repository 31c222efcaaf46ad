"""Label errors made on purpose are found, by networks that eyas trains; other labels are left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from eyas.core.config import load_values
from eyas.core.errors import ConfigError, DataError
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.diagnose.labels import judge_labels
from eyas.train.crossval import assign_folds, cross_validate
from support.datasets import changed

CLASSES = ("a", "b", "c")


@pytest.fixture(scope="module")
def config() -> Config:
    keys = ["train.threads=1", "train.precision=fp32"]
    return load_values({"data": {"source": "digits"}}, keys, "the test")


def flip(labels: NDArray[np.int64], share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels with a share of them wrong, and which."""
    rng = np.random.default_rng(0)
    wrong = rng.choice(len(labels), round(share * len(labels)), replace=False)
    changed = labels.copy()
    changed[wrong] = (labels[wrong] + rng.integers(1, 10, len(wrong))) % 10
    return changed, wrong


def test_flipped_digits_are_found(digits: Dataset, config: Config) -> None:
    labels, wrong = flip(digits.train.labels, 0.05)
    spoilt = changed(digits, train=replace(digits.train, labels=labels))
    done: list[int] = []
    rows, probabilities = cross_validate(config, spoilt, 4, done.append)
    assert done == [1, 2, 3, 4]
    given = np.zeros(len(digits.train.images), np.int64)
    given[digits.train.rows], given[digits.val.rows] = labels, digits.val.labels
    report = judge_labels(probabilities, given[rows], digits.classes)
    suspected = {int(rows[one.position]) for one in report.suspects}
    errors = set(digits.train.rows[wrong].tolist())
    assert len(suspected & errors) >= 0.75 * len(errors)
    assert len(suspected - errors) <= 0.15 * len(errors)
    sure = {int(rows[one.position]) for one in report.sure()}
    assert len(sure - errors) <= 1
    truth = dict(zip(digits.train.rows.tolist(), digits.train.labels.tolist(), strict=True))
    restored = [int(one.suggested) == truth[int(rows[one.position])] for one in report.sure()]
    assert np.mean(restored) > 0.95


def test_folds_are_stratified_and_complete() -> None:
    labels = np.repeat([0, 1, 2], [10, 7, 4])
    fold = assign_folds(labels, 3, 4, seed=0)
    for k in range(3):
        sizes = np.bincount(fold[labels == k], minlength=4)
        assert sizes.max() - sizes.min() <= 1
    assert np.array_equal(fold, assign_folds(labels, 3, 4, seed=0))


@pytest.mark.parametrize("folds", [1, 5])
def test_folds_that_do_not_fit(folds: int) -> None:
    with pytest.raises(
        ConfigError, match=f"from 2 to the images of the smallest class in train and val, 4; got {folds}"
    ):
        assign_folds(np.repeat([0, 1], [10, 4]), 2, folds, seed=0)


def probabilities(labels: list[int]) -> NDArray[np.float32]:
    """Nearly certain of these classes."""
    return np.where(np.eye(3)[labels] > 0, 0.96, 0.02).astype(np.float32)


def test_scores_and_confusions() -> None:
    given = np.array([0] * 10 + [1] * 10 + [2] * 10)
    predicted = [0] * 10 + [1] * 8 + [2] * 2 + [2] * 9 + [0]
    report = judge_labels(probabilities(predicted), given, CLASSES)
    assert report.accuracy == pytest.approx(27 / 30)
    assert [(pair.true, pair.predicted, pair.images, pair.share) for pair in report.confusions] == [
        ("b", "c", 2, 0.2),
        ("c", "a", 1, 0.1),
    ]
    hardest = report.classes[0]
    assert (hardest.name, hardest.recall, hardest.precision) == ("c", 0.9, pytest.approx(9 / 11))
    assert {one.position for one in report.suspects} == {18, 19, 29}
    assert report.suspects[0].suggested_probability == pytest.approx(0.96)


def test_a_class_without_images() -> None:
    with pytest.raises(DataError, match="c has none"):
        judge_labels(probabilities([0, 1]), np.array([0, 1]), CLASSES)
