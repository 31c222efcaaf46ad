"""A CSV or Parquet table with the columns `path`, `label` and, where there, `split`."""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from eyas.core.errors import DataError, needs_extra
from eyas.data.sources.contents import ORDER, Contents, Encoded, PartName, order_classes, part_of, ranges
from eyas.data.sources.tree import PathTree, Tree

SUFFIXES = (".csv", ".parquet")
COLUMNS = ("path", "label", "split")
SHOWN = 3
Columns = dict[str, list[str]]


def is_table(name: str) -> bool:
    """Whether the name ends like a table's."""
    return name.lower().endswith(SUFFIXES)


class Table:
    """A table on disk; its paths are relative to its folder, and may lead anywhere."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self._path = name, path

    def signature(self) -> str:
        """See `Source`: of the table and of every file that it names."""
        return self._both(self._table().signature(), self._files()[1].signature())

    def content_key(self) -> str:
        """See `Source`."""
        return self._both(self._table().content_key(), self._files()[1].content_key())

    def contents(self) -> Contents:
        """See `Source`."""
        columns, tree = self._files()
        return to_contents(columns, tree, lambda path: path, str(self._path))

    def _table(self) -> PathTree:
        return PathTree(str(self._path), {self._path.name: str(self._path)})

    def _files(self) -> tuple[Columns, PathTree]:
        columns = parse(self._table().read(self._path.name), str(self._path))
        paths = {path: str(self._path.parent / path) for path in columns["path"]}
        missing = [path for path in paths if not os.path.isfile(paths[path])]  # noqa: PTH113 - Path's fails on long names
        if missing:
            raise _missing_files(str(self._path), missing)
        return columns, PathTree(str(self._path), paths)

    def _both(self, one: str, other: str) -> str:
        return hashlib.sha256(f"{one} {other}".encode()).hexdigest()


def find(tree: Tree) -> str | None:
    """The table at the top of a tree that has our columns.

    Raises:
        DataError: several have.
    """
    found = tables(tree)
    if len(found) > 1:
        raise DataError(f"{tree.where} has {len(found)} tables of path and label: {', '.join(found)}; name one of them")
    return found[0] if found else None


def tables(tree: Tree) -> list[str]:
    """The tables at the top of a tree that have our columns; of the others only the header is looked at."""
    names = (name for name in tree.names if is_table(name) and "/" not in name)
    return [name for name in names if set(COLUMNS[:2]) <= _header(tree.read(name), name)]


def read(tree: Tree, name: str) -> Contents:
    """Contents by a table inside a tree; every path must be there.

    Raises:
        DataError: a column or a file is missing, or a value is wrong.
    """
    columns = parse(tree.read(name), name)
    present = set(tree.names)
    missing = [path for path in columns["path"] if _clean(path) not in present]
    if missing:
        raise _missing_files(f"{tree.where}: {name}", missing)
    return to_contents(columns, tree, _clean, name)


def parse(content: bytes, where: str) -> Columns:
    """The columns path, label and, where there, split, as text.

    Raises:
        DataError: no such column, no rows, an empty cell, or not a table.
    """
    columns = _columns(content, where)
    for name in COLUMNS[:2]:
        if name not in columns:
            got = ", ".join(columns) or "none"
            raise DataError(f"{where} must have the columns path and label, got {got}{_near(name, columns)}")
    if "split" not in columns and (near := difflib.get_close_matches("split", columns, n=1, cutoff=0.6)):
        raise DataError(f"{where} has an unknown column {near[0]}; did you mean split?")
    chosen = {name: columns[name] for name in COLUMNS if name in columns}
    if not chosen["path"]:
        raise DataError(f"{where} has no rows")
    for name, cells in chosen.items():
        if "" in cells:
            raise DataError(f"{where}: {name} is empty in row {cells.index('') + 1}")
    return chosen


def to_contents(columns: Columns, tree: Tree, file_of: Callable[[str], str], where: str) -> Contents:
    """Rows by split, otherwise in the table's order."""
    words = columns.get("split")
    by_part: dict[PartName, list[int]] = {}
    for row in range(len(columns["path"])):
        by_part.setdefault(_part(words[row], row, where) if words else "all", []).append(row)
    rows = [row for part in ORDER for row in by_part.get(part, ())]
    classes = order_classes(columns["label"])
    index = {name: number for number, name in enumerate(classes)}
    names = [columns["path"][row] for row in rows]
    return Contents(
        classes=classes,
        labels=np.array([index[columns["label"][row]] for row in rows], np.int64),
        names=names,
        parts=ranges({part: len(members) for part, members in by_part.items()}),
        images=Encoded(tree, [file_of(name) for name in names]),
    )


def _part(word: str, row: int, where: str) -> PartName:
    part = part_of(word)
    if part is None:
        raise DataError(f"{where}: split must be train, val or test, got {word!r} in row {row + 1}")
    return part


def _header(content: bytes, where: str) -> set[str]:
    """The names of the columns; none where it is no table."""
    if where.lower().endswith(".parquet"):
        with needs_extra("train"):
            import pyarrow
            from pyarrow import parquet
        try:
            return set(parquet.read_schema(io.BytesIO(content)).names)
        except (pyarrow.ArrowException, OSError):
            return set()
    text = io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", errors="replace", newline="")
    try:
        return {cell.strip() for cell in next((row for row in csv.reader(text) if row), ())}
    except csv.Error:
        return set()


def _columns(content: bytes, where: str) -> Columns:
    if where.lower().endswith(".parquet"):
        return _parquet(content, where)
    try:
        rows = [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{where} is not a CSV file in UTF-8: {error}") from error
    header = [cell.strip() for cell in rows[0]] if rows else []
    if twice := [name for name in COLUMNS if header.count(name) > 1]:
        raise DataError(f"{where} has the column {twice[0]} twice")
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(header):
            raise DataError(f"{where}: row {number} has {len(row)} cells, the header has {len(header)}")
    return {name: [row[index].strip() for row in rows[1:]] for index, name in enumerate(header)}


def _parquet(content: bytes, where: str) -> Columns:
    with needs_extra("train"):
        import pyarrow
        from pyarrow import parquet
    try:
        table = parquet.read_table(io.BytesIO(content))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{where} is not a Parquet file: {error}") from error
    return {
        name: ["" if cell is None else str(cell) for cell in table.column(name).to_pylist()] if name in COLUMNS else []
        for name in table.column_names
    }


def _clean(path: str) -> str:
    return "/".join(PurePosixPath(path).parts)


def _near(name: str, columns: Sequence[str] | Columns) -> str:
    near = difflib.get_close_matches(name, list(columns), n=1, cutoff=0.5)
    return f"; rename {near[0]} to {name}" if near else f"; {name} is missing"


def _missing_files(where: str, missing: Sequence[str]) -> DataError:
    shown = ", ".join(missing[:SHOWN]) + (", …" if len(missing) > SHOWN else "")
    return DataError(f"{where} names {len(missing)} files that are not there: {shown}")
