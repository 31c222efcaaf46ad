"""The rules: each looks at a survey and gives its findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from eyas.data.splits import Rows
from eyas.data.survey import Survey

Severity = Literal["error", "warning"]
EXAMPLES = 5
"""File names given with a finding."""

# A test image that training has seen is answered from memory: above 1 % of the split, the measured accuracy can be
# off by as much as most comparisons of models are about. Fewer than that is common in public sets (CIFAR-100: 0.1 %).
LEAK_ERROR = 0.01
# The same image under two labels puts a ceiling on accuracy; above 1 % it can no longer be told from overfitting.
CONFLICT_ERROR = 0.01
# Leaving out more of the files than this is no longer the data set that was meant; without `force` any one stops.
MANY_DUPLICATES = 0.05
# From a class ten times as large as another, plain accuracy says little about the smaller; class weights help.
IMBALANCE = 10.0
# Below this a class's validation share is an image or two, and its score is chance.
FEW_IMAGES = 20


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with the data."""

    severity: Severity
    """`error`: training on this would be spoilt, or its evaluation worthless; `warning`: look at it."""
    code: str
    """Stable, for scripts: `corrupt-files`, `leaked-test`, …"""
    message: str
    count: int
    """How many images or classes it concerns."""
    examples: Sequence[str]
    """File names, at most `EXAMPLES`."""


def of_files(survey: Survey, *, sized: bool) -> Iterator[Finding]:
    """Unreadable files, several sizes, grey among coloured, files that belong to no class."""
    bad = sorted(survey.failures)
    if bad:
        shown = [f"{survey.names[row]} ({survey.failures[row].message})" for row in bad[:EXAMPLES]]
        message = f"{len(bad):,} of {len(survey.names):,} images cannot be read"
        yield Finding("error", "corrupt-files", message, len(bad), shown)
    readable = np.flatnonzero(survey.sizes[:, 0] > 0)
    sizes, first = np.unique(survey.sizes[readable], axis=0, return_index=True)
    if len(sizes) > 1:
        severity: Severity = "warning" if sized else "error"
        advice = "they are resized" if sized else "set data.image_size"
        examples = [survey.names[readable[index]] for index in first]
        yield _finding(severity, "mixed-sizes", f"{len(sizes):,} different sizes; {advice}", len(sizes), examples)
    grey = readable[survey.grey[readable]]
    if 0 < len(grey) < len(readable):
        message = f"{len(grey):,} images are grey, {len(readable) - len(grey):,} are in colour"
        yield _finding("warning", "mixed-modes", message, len(grey), [survey.names[row] for row in grey])
    if survey.ignored:
        message = f"{len(survey.ignored):,} files belong to no class and are ignored"
        yield _finding("warning", "ignored-files", message, len(survey.ignored), survey.ignored)


def of_duplicates(survey: Survey, splits: Mapping[str, Rows]) -> Iterator[Finding]:
    """The same pixels more than once: in one split, under two labels, in two splits."""
    rows = np.concatenate([*splits.values(), np.empty(0, np.int64)])
    group = _groups(survey, rows)
    split = np.concatenate([np.full(len(members), index) for index, members in enumerate(splits.values())])
    yield from _repeated(survey, rows, group)
    yield from _conflicting(survey, rows, group)
    yield from _leaked(survey, rows, group, split, splits)


def of_classes(survey: Survey, splits: Mapping[str, Rows]) -> Iterator[Finding]:
    """Classes that are small, far larger than others, or missing from a split."""
    total = _counts(survey, np.concatenate([*splits.values(), np.empty(0, np.int64)]))
    few = [(name, int(n)) for name, n in zip(survey.classes, total, strict=True) if n < FEW_IMAGES]
    if few:
        message = f"{len(few)} of {len(survey.classes)} classes have fewer than {FEW_IMAGES} images"
        yield _finding("warning", "small-classes", message, len(few), [f"{name}: {n}" for name, n in few])
    if len(total) and total.min() and total.max() > IMBALANCE * total.min():
        ends = [f"{survey.classes[index]}: {total[index]:,}" for index in (total.argmax(), total.argmin())]
        message = f"the largest class has {total.max() / total.min():.1f} times the images of the smallest"
        yield _finding("warning", "imbalance", message + "; train.class_weight=balanced weighs them", 2, ends)
    for split, rows in splits.items():
        missing = [name for name, n in zip(survey.classes, _counts(survey, rows), strict=True) if not n]
        if len(rows) and missing:
            severity: Severity = "error" if split in ("train", "all") else "warning"
            message = f"{len(missing)} classes have no images in {split}"
            yield _finding(severity, f"missing-in-{split}", message, len(missing), missing)


def _repeated(survey: Survey, rows: Rows, group: Rows) -> Iterator[Finding]:
    repeats = rows[_later_of_group(group)]
    if len(repeats):
        share = len(repeats) / len(rows)
        advice = "; is a folder copied?" if share > MANY_DUPLICATES else ""
        message = f"{len(repeats):,} images ({share:.1%}) repeat another one exactly{advice}"
        yield _finding("warning", "duplicates", message, len(repeats), _pairs(survey, rows, group, repeats))


def _conflicting(survey: Survey, rows: Rows, group: Rows) -> Iterator[Finding]:
    labels = survey.labels[rows]
    lowest, highest = _extremes(labels, group)
    conflict = rows[(lowest != highest)[group]]
    if len(conflict):
        share = len(conflict) / len(rows)
        severity: Severity = "error" if share > CONFLICT_ERROR else "warning"
        message = f"{len(conflict):,} images ({share:.1%}) stand under two labels with the same pixels"
        examples = [
            f"{survey.names[row]} ({survey.classes[survey.labels[row]]})" for row in _by_group(conflict, survey)
        ]
        yield _finding(severity, "conflicting-labels", message, len(conflict), examples)


def _leaked(survey: Survey, rows: Rows, group: Rows, split: Rows, splits: Mapping[str, Rows]) -> Iterator[Finding]:
    """Images of a later split (val, test) whose pixels stand in an earlier one."""
    names = list(splits)
    count = int(group.max(initial=-1)) + 1
    for later in ("val", "test"):
        if later not in names:
            continue
        elsewhere = np.zeros(count, np.bool_)
        elsewhere[group[np.isin(split, [names.index(name) for name in names if name != later and name != "test"])]] = (
            True
        )
        inside = split == names.index(later)
        leaked = rows[inside][elsewhere[group[inside]]]
        if len(leaked):
            share = len(leaked) / int(inside.sum())
            severity: Severity = "error" if share > LEAK_ERROR else "warning"
            message = f"{len(leaked):,} of the {later} images ({share:.1%}) stand in another split too"
            yield _finding(severity, f"leaked-{later}", message, len(leaked), [survey.names[row] for row in leaked])


def _groups(survey: Survey, rows: Rows) -> Rows:
    """(n,) a number for each row, the same for the same pixels."""
    keys = np.ascontiguousarray(survey.digests[rows]).view("V32").ravel()
    _, group = np.unique(keys, return_inverse=True)
    return group.astype(np.int64)


def _later_of_group(group: Rows) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Every member of a group but its first."""
    first = np.unique(group, return_index=True)[1]
    later = np.ones(len(group), np.bool_)
    later[first] = False
    return later


def _extremes(labels: Rows, group: Rows) -> tuple[Rows, Rows]:
    """Lowest and highest label of each group."""
    count = int(group.max(initial=-1)) + 1
    lowest, highest = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
    np.minimum.at(lowest, group, labels)
    np.maximum.at(highest, group, labels)
    return lowest, highest


def _pairs(survey: Survey, rows: Rows, group: Rows, repeats: Rows) -> list[str]:
    """`copy = original`, for the first repeats."""
    original = rows[np.unique(group, return_index=True)[1]]
    number = dict(zip(rows.tolist(), group.tolist(), strict=True))
    return [f"{survey.names[row]} = {survey.names[int(original[number[row]])]}" for row in repeats[:EXAMPLES].tolist()]


def _by_group(rows: Rows, survey: Survey) -> list[int]:
    """Rows with the same pixels side by side."""
    return sorted(rows.tolist(), key=lambda row: (survey.digests[row].tobytes(), row))


def _counts(survey: Survey, rows: Rows) -> Rows:
    return np.bincount(survey.labels[rows], minlength=len(survey.classes)).astype(np.int64)


def _finding(
    severity: Severity, code: str, message: str, count: int, examples: Iterable[str] | Sequence[str]
) -> Finding:
    return Finding(severity, code, message, count, tuple(examples)[:EXAMPLES])
