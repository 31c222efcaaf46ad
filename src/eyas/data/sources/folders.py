"""Class folders: `root/<class>/*`, or `root/{train,val,test}/<class>/*`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from eyas.core.errors import DataError
from eyas.data.sources.contents import Contents, Encoded, PartName, order_classes, part_of, ranges
from eyas.data.sources.tree import Tree
from eyas.image import is_image_path

LAYOUT = "<class>/<image>, or {train,val,test}/<class>/<image>"


def matches(names: Sequence[str]) -> bool:
    """Whether there is any image at all: what is wrong with its place, `read` says."""
    return any(map(is_image_path, names))


def read(tree: Tree) -> Contents:
    """Rows by part, class and file name.

    Raises:
        DataError: no class folders, one without images, folders nested deeper than the layout, two folders for one
            part.
    """
    images = [name for name in tree.names if is_image_path(name)]
    split = any(_declares_part(name) for name in images)
    found: dict[PartName, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    ignored = [name for name in tree.names if not is_image_path(name)]
    for name in images:
        part, class_name = _place(tree, name, split)
        if part is None:
            ignored.append(name)
        else:
            found[part][class_name].append(name)
    if not found:
        raise DataError(
            f"{tree.where} holds {len(images):,} images but no class folders; the layout is {LAYOUT}; "
            "images without labels cannot be trained on: sort them, or list path,label in a CSV file"
        )
    _refuse_two_folders_of_one_part(tree, found, split)
    classes = order_classes(class_name for part in found.values() for class_name in part)
    _refuse_empty_class(tree, classes, split)
    _refuse_class_without_images(tree, images, ignored, split)
    return _contents(tree, classes, found, ignored)


def _declares_part(name: str) -> bool:
    pieces = name.split("/")
    return len(pieces) == 3 and part_of(pieces[0]) is not None


def _place(tree: Tree, name: str, split: bool) -> tuple[PartName | None, str]:
    """Part and class of an image; part None for one beside the class folders."""
    pieces = name.split("/")
    depth = 3 if split else 2
    if len(pieces) < depth:
        return None, ""
    part = part_of(pieces[0]) if split else "all"
    if len(pieces) > depth or part is None:
        raise DataError(f"{tree.where}: an image must lie at {LAYOUT}, got {name}")
    return part, pieces[-2]


def _refuse_two_folders_of_one_part(tree: Tree, found: dict[PartName, dict[str, list[str]]], split: bool) -> None:
    for part, classes in found.items() if split else ():
        tops = {names[0].split("/")[0] for names in classes.values()}
        tops |= {name.split("/")[0] for names in classes.values() for name in (names[-1],)}
        if len(tops) > 1:
            raise DataError(f"{tree.where} has {len(tops)} folders for {part}: {', '.join(sorted(tops))}; keep one")


def _refuse_empty_class(tree: Tree, classes: Sequence[str], split: bool) -> None:
    depth = 2 if split else 1
    for folder in tree.folders:
        pieces = folder.split("/")
        if len(pieces) == depth and pieces[-1] not in classes:
            raise DataError(f"{tree.where}: the class folder {folder} is empty; add images or remove it")


def _refuse_class_without_images(tree: Tree, images: Sequence[str], others: Sequence[str], split: bool) -> None:
    """Files of a kind that is not read must not make a class vanish."""
    depth = 2 if split else 1
    filled = {tuple(name.split("/")[:depth]) for name in images}
    for name in others:
        folder = tuple(name.split("/")[:depth])
        below = name.count("/") >= depth
        if below and folder not in filled and (not split or part_of(folder[0])):
            raise DataError(
                f"{tree.where}: the class folder {'/'.join(folder)} has files but no image in a known format, such as "
                f"{name}; convert or remove them"
            )


def _contents(
    tree: Tree, classes: tuple[str, ...], found: dict[PartName, dict[str, list[str]]], ignored: list[str]
) -> Contents:
    sizes = {part: sum(map(len, by_class.values())) for part, by_class in found.items()}
    parts = ranges(sizes)
    files: list[str] = []
    labels: list[int] = []
    for part in parts:
        for index, class_name in enumerate(classes):
            members = sorted(found[part].get(class_name, ()))
            files += members
            labels += [index] * len(members)
    return Contents(classes, np.array(labels, np.int64), files, parts, Encoded(tree, files), ignored=ignored)
