"""Which of the known layouts a tree of files has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eyas.core.errors import DataError
from eyas.data.sources import cifar, folders, idx, npz, table
from eyas.data.sources.contents import Contents, part_of
from eyas.data.sources.tree import SubTree, Tree
from eyas.image import is_image_path

EXPECTED = "class folders with images, IDX files, a Keras .npz, CIFAR pickles, or a CSV or Parquet table of path,label"
Names = Sequence[str]
SPECIAL: tuple[tuple[Callable[[Names], bool], Callable[[Tree, Names | None], Contents]], ...] = (
    (idx.matches, idx.read),
    (npz.matches, npz.read),
    (cifar.matches, cifar.read),
)
"""Layouts that know their files by name; class folders are what is left."""


def recognised(tree: Tree) -> bool:
    """Whether any layout fits these files."""
    return folders.matches(tree.names) or _special(SubTree(tree, _wrapping(tree)))


def read(tree: Tree, class_names: Sequence[str] | None) -> Contents:
    """The contents of a tree, by the first layout that fits. A single wrapping folder is looked through.

    Raises:
        DataError: no layout fits, or one does and its rules are broken.
    """
    inner = SubTree(tree, _wrapping(tree))
    for matches, read_special in SPECIAL:
        if matches(inner.names):
            return read_special(inner, class_names)
    if name := table.find(inner):
        return table.read(inner, name)
    if folders.matches(inner.names):
        return folders.read(inner)
    for name in filter(table.is_table, inner.names):
        table.parse(inner.read(name), name)  # says what is wrong with it
    raise DataError(f"{tree.where} {_what(tree.names)}; eyas reads {EXPECTED}")


def _wrapping(tree: Tree) -> str:
    """The folder (`top/`, `top/next/`) that all the data lie in, as long as it is neither a split nor a class."""
    prefix = ""
    while True:
        inner = SubTree(tree, prefix)
        if _special(inner):
            return prefix
        data = [name for name in inner.names if is_image_path(name)] or inner.names
        tops = {name.partition("/")[0] for name in data}
        top = next(iter(tops), "")
        if len(tops) != 1 or part_of(top) or list(data) == [top]:
            return prefix
        below = f"{prefix}{top}/"
        if all(name.count("/") == 1 for name in data) and not _special(SubTree(tree, below)):
            return prefix  # a class folder, alone
        prefix = below


def _special(tree: Tree) -> bool:
    return any(matches(tree.names) for matches, _ in SPECIAL) or bool(table.tables(tree))


def _what(names: Sequence[str]) -> str:
    if not names:
        return "is empty"
    shown = ", ".join(names[:3])
    return f"holds {len(names):,} files in no known layout ({shown}{', …' if len(names) > 3 else ''})"
