"""Every source keeps the contract."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow
import pytest
from data_samples import (
    PARTS,
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
from source_contract import AnySourceContract, SourceContract


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


class TestClassFoldersBesideOtherTables(SourceContract):
    def write(self, folder: Path) -> Path:
        tables = {
            "notes.csv": b"a,b\n1,2,3\n",
            "latin.csv": b"caf\xe9,b\n\xff,1\n",
            "empty.csv": b"",
            "b.parquet": b"no",
        }
        parquet.write_table(pyarrow.table({"path": ["x"]}), folder / "other.parquet")
        return write_files(folder, class_files() | tables)


class TestFlatFolderWithCsv(SourceContract):
    def write(self, folder: Path) -> Path:
        flat = {name: name.replace("/", "-") for name in class_files()}
        write_files(folder, {flat[name]: content for name, content in class_files().items()})
        (folder / "labels.csv").write_bytes(csv_text([(flat[path], *rest) for path, *rest in table_rows()]))
        return folder


class TestNamedSet(SourceContract):
    @pytest.fixture
    def spec(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.setenv("EYAS_DATA_DIR", str(tmp_path / "images"))
        write_files(tmp_path / "images" / "mnist", idx_files(packed=True))
        return "mnist"


class TestDigits(AnySourceContract):
    @pytest.fixture
    def spec(self) -> str:
        return "digits"
