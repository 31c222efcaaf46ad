"""Tables, folders, archives and pickles of any kind are read, or refused by a DataError. `make fuzz` tries more."""

from __future__ import annotations

import csv
import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from data_samples import PARTS, TRAIN, cifar_batch, class_files, write_tar, write_zip
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

from eyas.core.errors import DataError
from eyas.data.sources import cifar, folders, table
from eyas.data.sources.archive import open_archive
from eyas.data.sources.contents import Contents, Encoded
from eyas.data.sources.tree import Tree
from eyas.image import is_image_path

CELLS = st.text(min_size=1, max_size=8).filter(lambda cell: cell == cell.strip() and cell != "")
ROWS = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6)
PIECES = st.sampled_from(
    ["path", "label", "split", ",", '"', "\n", "\r", "a.png", "train", "tset", "\0", "é", "9" * 5000]
)


class Named:
    """Files by their names alone."""

    where = "there"

    def __init__(self, names: Sequence[str], emptied: Sequence[str] = (), content: bytes = b"") -> None:
        self.names, self.folders = tuple(sorted(names)), tuple(emptied)
        self._content = content

    def read(self, name: str) -> bytes:
        return self._content

    def stream(self, names: Any) -> Any:
        return ((name, self._content) for name in names)

    def signature(self) -> str:
        return ""

    def content_key(self) -> str:
        return ""


def csv_of(rows: Sequence[Sequence[str]]) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([("path", "label"), *rows])
    return stream.getvalue().encode("utf-8", "surrogatepass")


def parquet_of(columns: dict[str, list[str]]) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), stream)
    return stream.getvalue()


def check(contents: Contents) -> None:
    """Every row has a class and an image, and belongs to one part."""
    count = len(contents.names)
    assert isinstance(contents.images, Encoded)
    assert len(contents.labels) == len(contents.images.files) == count == sum(map(len, contents.parts.values()))
    assert set(contents.labels.tolist()) <= set(range(len(contents.classes)))


# Tables


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@given(rows=ROWS)
def test_a_table_reads_back(suffix: str, rows: list[tuple[str, str]]) -> None:
    columns = {"path": [path for path, _ in rows], "label": [label for _, label in rows]}
    content = csv_of(rows) if suffix == ".csv" else parquet_of(columns)
    found = table.parse(content, f"table{suffix}")
    assert found == columns
    contents = table.to_contents(found, Named([]), lambda path: path, "table")
    check(contents)
    assert [contents.classes[label] for label in contents.labels] == columns["label"]


@given(st.lists(PIECES | st.text(max_size=4), max_size=30).map("".join).map(str.encode) | st.binary(max_size=40))
@example(b"path,label\na.png," + b"9" * 5000)  # more digits than Python makes a number of
@example(b"path,label,path\na.png,1,b.png")
@example(b"path,label\n" + b"a" * 5000 + b",1")
def test_any_csv_is_a_table_or_refused(content: bytes) -> None:
    try:
        check(table.to_contents(table.parse(content, "t.csv"), Named([]), lambda path: path, "t.csv"))
    except DataError as error:
        assert "t.csv" in str(error)  # noqa: PT017 - whether it raises is not what is asked


PARQUET = parquet_of({"path": ["a.png", "b.png"] * 9, "label": ["x", "y"] * 9, "split": ["train", "test"] * 9})


@given(st.integers(0, len(PARQUET)), st.integers(0, len(PARQUET)), st.binary(max_size=12))
def test_a_damaged_parquet_is_a_table_or_refused(start: int, end: int, noise: bytes) -> None:
    try:
        parsed = table.parse(PARQUET[:start] + noise + PARQUET[end:], "t.parquet")
        check(table.to_contents(parsed, Named([]), str, "t.parquet"))
    except DataError as error:
        assert "t.parquet" in str(error)  # noqa: PT017


def test_a_column_that_stands_twice_is_refused() -> None:
    with pytest.raises(DataError, match=r"t\.csv has the column path twice"):
        table.parse(b"path,label,path\na.png,1,b.png\n", "t.csv")


def test_a_path_that_no_disk_can_have_is_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"path,label\n{'a' * 5000},1\n")
    with pytest.raises(DataError, match="names 1 files that are not there"):
        table.Table("t", tmp_path / "t.csv").contents()


# Folders

FOLDER_PIECES = st.sampled_from(["train", "Test", "val", "validation", "a", "b", "10", "9", "deep"])
FILES = st.tuples(
    st.lists(FOLDER_PIECES, max_size=3), st.sampled_from(["1.png", "2.JPG", "notes.txt", "a.webp", "9.jpeg"])
).map(lambda one: "/".join([*one[0], one[1]]))


@given(st.sets(FILES, max_size=9), st.sets(st.lists(FOLDER_PIECES, min_size=1, max_size=2).map("/".join), max_size=2))
def test_any_folders_are_classes_or_refused(names: set[str], empty: set[str]) -> None:
    tree: Tree = Named(sorted(names), sorted(empty))
    try:
        found = folders.read(tree)
    except DataError as error:
        assert "there" in str(error)  # noqa: PT017
        return
    check(found)
    assert sorted([*found.names, *found.ignored]) == sorted(names)
    assert all(is_image_path(name) for name in found.names)
    assert [name.split("/")[-2] for name in found.names] == [found.classes[label] for label in found.labels]


# Archives

SOME = dict(list(class_files(PARTS).items())[:3])


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("archives")
    made = [
        write_zip(folder / "a.zip", SOME),
        write_tar(folder / "a.tar", SOME, "w"),
        write_tar(folder / "a.tgz", SOME),
    ]
    return {path.suffix: path.read_bytes() for path in made}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tgz"])
@given(data=st.data())
def test_a_damaged_archive_is_read_or_refused(
    suffix: str, archives: dict[str, bytes], place: Path, data: st.DataObject
) -> None:
    content = archives[suffix]
    start, end = (data.draw(st.integers(0, len(content))) for _ in range(2))
    path = place / f"damaged{suffix}"
    path.write_bytes(content[:start] + data.draw(st.binary(max_size=8)) + content[end:])
    tree = open_archive(path)
    try:
        found = {name: tree.read(name) for name in tree.names}
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert all(isinstance(one, bytes) for one in found.values())


def test_a_zip_whose_names_are_no_text_is_refused(archives: dict[str, bytes], place: Path) -> None:
    """A flag says that they are UTF-8."""
    content = bytearray(archives[".zip"])
    central = content.index(b"PK\x01\x02")
    content[central + 9] |= 0x08
    content[central + 46] = 0xFF
    path = place / "names.zip"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"names\.zip cannot be read"):
        _ = open_archive(path).names


# Pickles

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([b"data", b"labels", b"fine_labels", "data", 3]), inner, max_size=3)
    ),
)
ARRAYS = st.sampled_from(
    [np.zeros((2, 3072), np.uint8), np.zeros((2, 3072)), np.zeros(3072, np.uint8), np.zeros((0, 3072), np.uint8)]
)


@given(VALUES, ARRAYS, st.sampled_from([2, 4]))
def test_any_pickle_is_a_batch_or_refused(value: Any, images: np.ndarray, protocol: int) -> None:
    for content in (value, {b"data": images, b"labels": value}):
        tree = Named(["data_batch_1"], content=pickle.dumps(content, protocol=protocol))
        try:
            found = cifar.read(tree)
        except DataError as error:
            assert "data_batch_1" in str(error)  # noqa: PT017
        else:
            assert len(found.names) == len(found.labels)


BATCH = cifar_batch(TRAIN, "labels")


@given(st.integers(0, len(BATCH) - 1), st.integers(0, 255), st.integers(0, 400))
def test_a_changed_byte_of_a_pickle_is_read_or_refused(place: int, value: int, early: int) -> None:
    for position in (place, early):
        content = bytearray(BATCH)
        content[position] = value
        try:
            cifar.read(Named(["data_batch_1"], content=bytes(content)))
        except DataError as error:
            assert "data_batch_1" in str(error) or "pickle" in str(error)  # noqa: PT017
