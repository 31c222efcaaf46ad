"""The contract of every source: the same images give the same data set, whatever they came in."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from data_samples import (
    CLASSES,
    PARTS,
    TEST,
    TRAIN,
    cifar10_files,
    cifar100_files,
    class_files,
    csv_text,
    idx_files,
    keras_npz,
    table_rows,
    write_files,
    write_tar,
    write_zip,
)
from pyarrow import parquet

from eyas.core.schema import DataConfig
from eyas.data import Dataset, open_dataset

# Changes only when the fingerprint's definition does: then every recorded one is void.
FINGERPRINT = "012d0f1cbc32513ba192651ce45bad52af7e394b9b0028cf372ca63b44deebe3"


class SourceContract:
    """Inherited by the tests of every source."""

    def write(self, folder: Path) -> Path:
        """Write `PARTS` into the empty folder; what to open."""
        raise NotImplementedError

    @pytest.fixture
    def spec(self, tmp_path: Path) -> str:
        folder = tmp_path / "images"
        folder.mkdir()
        return str(self.write(folder))

    @pytest.fixture
    def dataset(self, spec: str) -> Dataset:
        return open_dataset(DataConfig(source=spec))

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

    def test_read_only(self, dataset: Dataset) -> None:
        for array in (dataset.train.images, dataset.train.rows, dataset.train.labels):
            assert not array.flags.writeable

    def test_seed_decides_the_splits(self, spec: str) -> None:
        first, again, other = (open_dataset(DataConfig(source=spec, seed=seed)) for seed in (1, 1, 2))
        assert first.fingerprint == again.fingerprint != other.fingerprint
        np.testing.assert_array_equal(first.val.rows, again.val.rows)

    def test_second_opening_reads_no_image(self, spec: str, dataset: Dataset, tmp_path: Path) -> None:
        for file in (tmp_path / "images").rglob("*"):
            if file.is_file() and file.suffix not in (".csv", ".parquet"):
                before = file.stat()
                file.write_bytes(bytes(before.st_size))
                os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert open_dataset(DataConfig(source=spec)).fingerprint == dataset.fingerprint

    def test_resized_and_grey(self, spec: str) -> None:
        dataset = open_dataset(DataConfig(source=spec, image_size=(8, 6), channels=1))
        assert dataset.policy.shape == (8, 6, 1)
        assert dataset.train.images.shape == (42, 8, 6, 1)

    def test_nothing_else_is_left_in_the_cache(self, dataset: Dataset, tmp_path: Path) -> None:
        assert not list((tmp_path / "cache").rglob("*partial*"))


class TestClassFolders(SourceContract):
    def write(self, folder: Path) -> Path:
        return write_files(folder, class_files())


class TestWrappedClassFolders(SourceContract):
    def write(self, folder: Path) -> Path:
        files = {f"top/{name}": content for name, content in class_files().items()}
        return write_files(folder, files | {"README.md": b"", "top/.DS_Store": b"", "top/train/notes.txt": b""})


class TestZip(SourceContract):
    def write(self, folder: Path) -> Path:
        return write_zip(folder / "images.zip", class_files() | {"__MACOSX/train/0/._000.png": b"junk"})


class TestTarGz(SourceContract):
    def write(self, folder: Path) -> Path:
        return write_tar(folder / "images.tar.gz", {f"./top/{name}": c for name, c in class_files().items()})


class TestTarXz(SourceContract):
    def write(self, folder: Path) -> Path:
        return write_tar(folder / "images.tar.xz", class_files(), "w:xz")


class TestTarPerSplit(SourceContract):
    def write(self, folder: Path) -> Path:
        for name in PARTS:
            write_tar(folder / f"{name}.tar.gz", class_files({name: PARTS[name]}))
        return folder


class TestTarPerSplitWithoutTheSplitInside(SourceContract):
    def write(self, folder: Path) -> Path:
        for name in PARTS:
            write_tar(folder / f"{name}.tar", class_files({"all": PARTS[name]}), "w")
        return folder


class TestIdx(SourceContract):
    def write(self, folder: Path) -> Path:
        return write_files(folder, idx_files(packed=False))


class TestIdxGz(SourceContract):
    def write(self, folder: Path) -> Path:
        return write_files(folder, idx_files(packed=True))


class TestIdxInZip(SourceContract):
    def write(self, folder: Path) -> Path:
        return write_zip(folder / "mnist.zip", {f"raw/{name}": c for name, c in idx_files(packed=True).items()})


class TestNpz(SourceContract):
    def write(self, folder: Path) -> Path:
        return write_files(folder, {"set.npz": keras_npz()}) / "set.npz"


class TestNpzOfFloats(SourceContract):
    def write(self, folder: Path) -> Path:
        return write_files(folder, {"set.npz": keras_npz(dtype=np.float32)}) / "set.npz"


class TestNpzInFolder(SourceContract):
    def write(self, folder: Path) -> Path:
        return write_files(folder, {"set.npz": keras_npz()})


class TestCifar10(SourceContract):
    def write(self, folder: Path) -> Path:
        return write_files(folder, cifar10_files())


class TestCifar100Tar(SourceContract):
    def write(self, folder: Path) -> Path:
        return write_tar(folder / "cifar-100-python.tar.gz", cifar100_files())


class TestCsv(SourceContract):
    def write(self, folder: Path) -> Path:
        write_files(folder, class_files())
        (folder / "tables").mkdir()
        rows = [(f"../{path}", *rest) for path, *rest in table_rows()]
        (folder / "tables" / "set.csv").write_bytes(b"\xef\xbb\xbf" + csv_text(rows))
        return folder / "tables" / "set.csv"


class TestParquet(SourceContract):
    def write(self, folder: Path) -> Path:
        write_files(folder, class_files())
        paths, labels, splits = zip(*table_rows(), strict=True)
        numbers = [int(label) for label in labels]
        parquet.write_table(pyarrow.table({"path": paths, "label": numbers, "split": splits}), folder / "set.parquet")
        return folder / "set.parquet"


class TestCsvInZip(SourceContract):
    def write(self, folder: Path) -> Path:
        return write_zip(folder / "set.zip", class_files() | {"labels.csv": csv_text(table_rows())})


class TestFlatFolderWithCsv(SourceContract):
    def write(self, folder: Path) -> Path:
        flat = {name: name.replace("/", "-") for name in class_files()}
        write_files(folder, {flat[name]: content for name, content in class_files().items()})
        (folder / "labels.csv").write_bytes(csv_text([(flat[path], *rest) for path, *rest in table_rows()]))
        return folder
