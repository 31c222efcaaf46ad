"""What every split keeps to, whatever the classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.core.errors import DataError
from eyas.core.schema import DataConfig
from eyas.data.splits import carve, make_splits

COUNTS = st.lists(st.integers(3, 60), min_size=2, max_size=8)
FRACTIONS = st.floats(0.01, 0.6)


def labelled(counts: list[int]) -> np.ndarray:
    return np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))


@given(COUNTS, FRACTIONS, FRACTIONS, st.integers(0, 9))
def test_splits_divide_the_rows(counts: list[int], val: float, test: float, seed: int) -> None:
    labels = labelled(counts)
    config = DataConfig(val_fraction=val, test_fraction=test, seed=seed)
    splits = make_splits({"all": np.arange(len(labels))}, labels, [str(k) for k in range(len(counts))], config)
    np.testing.assert_array_equal(np.sort(np.concatenate(list(splits.values()))), np.arange(len(labels)))
    for rows in splits.values():
        assert np.all(np.diff(rows) > 0)
        assert set(labels[rows]) == set(range(len(counts)))


@given(COUNTS, FRACTIONS, st.integers(0, 9))
def test_carved_number_is_exact_and_near_each_share(counts: list[int], fraction: float, seed: int) -> None:
    labels = labelled(counts)
    taken, rest = carve(np.arange(len(labels)), labels, fraction, (seed, 1))
    expected = round(fraction * len(labels))
    if len(counts) <= expected <= len(labels) - len(counts):
        assert len(taken) == expected
    if all(1 <= fraction * n <= n - 1 for n in counts):
        assert np.all(np.abs(np.bincount(labels[taken]) - fraction * np.array(counts)) < 1)
    assert len(taken) + len(rest) == len(labels)


@given(COUNTS, st.integers(0, 9))
def test_same_seed_same_split(counts: list[int], seed: int) -> None:
    labels = labelled(counts)
    first, again = (carve(np.arange(len(labels)), labels, 0.3, (seed, 1))[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_sixty_thousand_and_ten_thousand() -> None:
    labels = np.repeat(np.arange(10), 7000)
    parts = {"train": np.arange(60_000), "test": np.arange(60_000, 70_000)}
    splits = make_splits(parts, labels[np.random.default_rng(0).permutation(70_000)], "0123456789", DataConfig())
    assert [len(splits[name]) for name in ("train", "val", "test")] == [54_000, 6_000, 10_000]


def test_declared_val_is_kept_and_test_is_carved_from_train() -> None:
    labels = np.tile([0, 1], 20)
    parts = {"train": np.arange(30), "val": np.arange(30, 40)}
    splits = make_splits(parts, labels, "ab", DataConfig(test_fraction=0.2))
    np.testing.assert_array_equal(splits["val"], np.arange(30, 40))
    assert len(splits["test"]) == 6
    assert splits["test"].max() < 30


def test_no_validation_is_allowed() -> None:
    labels = np.tile([0, 1], 5)
    splits = make_splits({"all": np.arange(10)}, labels, "ab", DataConfig(val_fraction=0, test_fraction=0))
    assert [len(splits[name]) for name in ("train", "val", "test")] == [10, 0, 0]


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([0] * 9, "a", "at least 2 classes, got 1: a"),
        ([0] * 9 + [1], "ab", r"at least 3 training images to stand in train and val and test; b has 1"),
        ([0] * 9, "ab", "b has 0"),
    ],
)
def test_classes_too_few_or_too_small(labels: list[int], classes: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_splits({"all": np.arange(len(labels))}, np.array(labels), classes, DataConfig())


def test_no_training_part() -> None:
    with pytest.raises(DataError, match="no training images; the source declares only test"):
        make_splits({"test": np.arange(4)}, np.array([0, 0, 1, 1]), "ab", DataConfig())
