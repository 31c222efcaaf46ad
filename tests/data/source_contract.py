"""The contract of every source, and that of those into which the samples can be written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from data_samples import CLASSES, TEST, TRAIN

from eyas.core.schema import DataConfig
from eyas.data import Dataset, check_dataset, decoding, importer, open_dataset

# Changes only when the fingerprint's definition does: then every recorded one is void.
FINGERPRINT = "012d0f1cbc32513ba192651ce45bad52af7e394b9b0028cf372ca63b44deebe3"


class AnySourceContract:
    """Inherited by the tests of every source."""

    @pytest.fixture
    def spec(self) -> str:
        """What to open."""
        raise NotImplementedError

    @pytest.fixture
    def dataset(self, spec: str) -> Dataset:
        return open_dataset(DataConfig(source=spec))

    def test_read_only(self, dataset: Dataset) -> None:
        for array in (dataset.train.images, dataset.train.rows, dataset.train.labels):
            assert not array.flags.writeable

    def test_seed_decides_the_splits(self, spec: str) -> None:
        first, again, other = (open_dataset(DataConfig(source=spec, seed=seed)) for seed in (1, 1, 2))
        assert first.fingerprint == again.fingerprint != other.fingerprint
        np.testing.assert_array_equal(first.val.rows, again.val.rows)

    def test_second_opening_decodes_nothing(self, spec: str, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(importer, "decode_into")
        monkeypatch.delattr(decoding, "decode")
        assert open_dataset(DataConfig(source=spec)).fingerprint == dataset.fingerprint
        assert check_dataset(DataConfig(source=spec)).classes == dataset.classes

    def test_resized_and_grey(self, spec: str, dataset: Dataset) -> None:
        small = open_dataset(DataConfig(source=spec, image_size=(7, 6), channels=1))
        assert small.policy.shape == (7, 6, 1)
        assert small.train.images.shape == (len(dataset.train.images), 7, 6, 1)

    def test_nothing_else_is_left_in_the_cache(self, dataset: Dataset, own_cache: Path) -> None:
        assert not list(own_cache.rglob("*partial*"))


class SourceContract(AnySourceContract):
    """The same images give the same data set, whatever they came in."""

    def write(self, folder: Path) -> Path:
        """Write `PARTS` into the empty folder; what to open."""
        raise NotImplementedError

    @pytest.fixture
    def spec(self, tmp_path: Path) -> str:
        folder = tmp_path / "images"
        folder.mkdir()
        return str(self.write(folder))

    def test_classes_and_shape(self, dataset: Dataset) -> None:
        assert dataset.classes == CLASSES
        assert dataset.policy.shape == (32, 32, 3)

    def test_test_split_is_as_declared(self, dataset: Dataset) -> None:
        np.testing.assert_array_equal(dataset.test.take(slice(None)), TEST.images)
        np.testing.assert_array_equal(dataset.test.labels, TEST.labels)

    def test_validation_is_carved_from_training(self, dataset: Dataset) -> None:
        assert [len(split) for split in dataset.splits] == [27, 3, 12]
        rows = np.sort(np.concatenate([dataset.train.rows, dataset.val.rows]))
        np.testing.assert_array_equal(dataset.train.images[rows], TRAIN.images)
        np.testing.assert_array_equal(np.bincount(dataset.val.labels), [1, 1, 1])

    def test_fingerprint(self, dataset: Dataset) -> None:
        assert dataset.fingerprint == FINGERPRINT

    def test_second_opening_reads_no_image(self, spec: str, dataset: Dataset, tmp_path: Path) -> None:
        for file in (tmp_path / "images").rglob("*"):
            if file.is_file() and file.suffix not in (".csv", ".parquet"):
                before = file.stat()
                file.write_bytes(bytes(before.st_size))
                os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert open_dataset(DataConfig(source=spec)).fingerprint == dataset.fingerprint
