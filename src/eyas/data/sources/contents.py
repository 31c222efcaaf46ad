"""What every source becomes, whatever it was: classes, rows with labels and names, and their images.

A row is one image. Rows stand in one order: by part, then as the source defines it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from eyas.core.errors import DataError
from eyas.core.marks import PARTS
from eyas.data.sources.tree import Tree

PartName = Literal["all", "train", "val", "test"]
MOST_DIGITS = 100  # of a class that is ordered as a number: Python refuses to make one of thousands
ORDER: tuple[PartName, ...] = ("all", "train", "val", "test")


@dataclass(frozen=True)
class Encoded:
    """Image files that are yet to be decoded; several rows may name the same file."""

    tree: Tree
    files: Sequence[str]
    """(M,) names in `tree`, one a row."""


@dataclass(frozen=True)
class Pixels:
    """Images that the source holds as arrays."""

    arrays: Sequence[NDArray[np.uint8]]
    """Each (n, h, w, c) uint8, c = 1 or 3; one after another they are the rows."""


@dataclass(frozen=True)
class Listing:
    """Which rows there are."""

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    """(M,) class indices."""
    names: Sequence[str]
    """(M,) what a message calls each row."""
    parts: Mapping[PartName, range]
    """The rows of each declared part: `all`, or some of train, val, test."""
    ignored: Sequence[str] = field(default=(), kw_only=True)
    """Files that belong to no row."""


@dataclass(frozen=True)
class Contents(Listing):
    """A source, read up to its pixels."""

    images: Encoded | Pixels


class Source(Protocol):
    """One data set, wherever it lies."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def signature(self) -> str:
        """Hex digest that changes when a file's size or time changes; needs no reading of contents."""
        ...

    def content_key(self) -> str:
        """Hex digest of the files' names and contents; reads them all."""
        ...

    def contents(self) -> Contents:
        """Read everything but encoded images.

        Raises:
            DataError: the source breaks its format's rules.
        """
        ...


def part_of(word: str) -> PartName | None:
    """The part that a folder or table names, or None where the word names none."""
    return PARTS.get(word.strip().lower())


def order_classes(names: Iterable[str]) -> tuple[str, ...]:
    """Distinct class names in order: by value where all are whole numbers, else by their characters."""
    distinct = set(names)
    if all(name.isdecimal() and len(name) <= MOST_DIGITS for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def from_numbers(
    per_part: Mapping[PartName, tuple[NDArray[np.uint8], NDArray[np.int64]]], class_names: Sequence[str] | None
) -> Contents:
    """Contents of arrays whose labels are numbers.

    Args:
        per_part: for each part, images (n, h, w, c) uint8 and labels (n,) int64.
        class_names: the name of label 0, 1, …; the number itself where None.

    Raises:
        DataError: a label without a name, or a negative one.
    """
    parts = [part for part in ORDER if part in per_part]
    values = np.concatenate([per_part[part][1] for part in parts])
    present = np.unique(values)
    if len(present) and present[0] < 0:
        raise DataError(f"labels must be 0 or more, got {present[0]}")
    if class_names is None:
        classes = tuple(str(value) for value in present)
        labels = np.searchsorted(present, values)
    else:
        classes, labels = tuple(class_names), values
        if len(present) and present[-1] >= len(classes):
            raise DataError(f"labels must be from 0 to {len(classes) - 1} ({len(classes)} classes), got {present[-1]}")
    sizes = {part: len(per_part[part][1]) for part in parts}
    return Contents(
        classes=classes,
        labels=labels.astype(np.int64),
        names=[f"{part}[{row}]" for part in parts for row in range(sizes[part])],
        parts=ranges(sizes),
        images=Pixels([per_part[part][0] for part in parts]),
    )


def ranges(sizes: Mapping[PartName, int]) -> dict[PartName, range]:
    """Consecutive row ranges of these lengths, in the order of `ORDER`."""
    made: dict[PartName, range] = {}
    start = 0
    for part in ORDER:
        if part in sizes:
            made[part] = range(start, start + sizes[part])
            start += sizes[part]
    return made
