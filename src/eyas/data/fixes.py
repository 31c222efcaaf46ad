"""What is to be mended in a dataset, as a file that a person may edit: `data.fixes: FILE`.

The files of the dataset stay as they are. The file names images to leave out, labels to change, and the test images
that training (nearly) knows; it holds for these images in these splits, and is refused for any others.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eyas.core import plain_yaml
from eyas.core.errors import DataError
from eyas.core.io import write_text
from eyas.core.schema import DataConfig
from eyas.core.schema.section import first_fault
from eyas.data.splits import Rows
from eyas.data.survey import Survey

HEAD = """\
# Written by `eyas data check --fix`; used by `eyas train … data.fixes={name}`.
# Nothing is done to your files. Take out any entry you do not agree with. Relabels are suggestions: look at each image.
"""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class DataMark(_Part):
    """Which data the fixes are for."""

    name: str
    images: int
    content: str
    """SHA-256 over the names, pixels and labels of every image."""
    splits: str
    """SHA-256 over which image stands in which split."""


class Removal(_Part):
    """An image of train or val that is left out."""

    image: str
    reason: Literal["duplicate", "near-duplicate", "stands in val", "stands in test", "by hand"] = "by hand"
    twin: str | None = None
    """The image that stays."""
    score: float | None = None
    """Estimated probability that both are one photograph; none where their pixels are equal."""


class Relabel(_Part):
    """An image of train or val that gets another class."""

    image: str
    given: str = Field(alias="from")
    suggested: str = Field(alias="to")
    confidence: float | None = None
    """Out-of-sample probability of the suggested class."""


class Fixes(_Part):
    """The whole file."""

    format: Literal[1] = 1
    data: DataMark
    remove: tuple[Removal, ...] = ()
    relabel: tuple[Relabel, ...] = ()
    test_near_duplicates: tuple[str, ...] = ()
    """Test images that (nearly) stood in train or val before the removals: the clean test is without them."""

    def apply(self, survey: Survey, splits: Mapping[str, Rows], config: DataConfig) -> Fixed:
        """The splits and labels with these fixes.

        Raises:
            DataError: other data or splits, an image or class that does not exist, or a change to the test split.
        """
        _require_same(self.data, mark_of(self.data.name, survey, splits), config)
        row_of = {name: row for row, name in enumerate(image_names(survey.names))}
        learning = np.concatenate([splits["train"], splits["val"]])
        gone = _rows([fix.image for fix in self.remove], row_of, learning, "remove", "train or val", config)
        changed = _rows([fix.image for fix in self.relabel], row_of, learning, "relabel", "train or val", config)
        copies = _rows(self.test_near_duplicates, row_of, splits["test"], "test_near_duplicates", "test", config)
        labels = survey.labels.copy()
        for row, fix in zip(changed.tolist(), self.relabel, strict=True):
            labels[row] = _class(fix, survey, row, config)
        kept = {name: rows if name == "test" else np.setdiff1d(rows, gone) for name, rows in splits.items()}
        if not len(kept["train"]):
            raise DataError(f"{config.fixes} must leave at least 1 training image, got 0")
        return Fixed(labels, kept, np.unique(copies))

    def to_yaml(self, name: str) -> str:
        """The file's text; `name` is what its first line calls it."""
        values = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return HEAD.format(name=name) + plain_yaml.dump(values, width=200)


@dataclass(frozen=True, eq=False)
class Fixed:
    """What the fixes make of a dataset."""

    labels: Rows
    """(M,) class index of every row of the source."""
    splits: Mapping[str, Rows]
    copies: Rows
    """Rows of test that training (nearly) knew."""


def read_fixes(file: str) -> Fixes:
    """Read `data.fixes`.

    Raises:
        DataError: no such file, or one of another form.
    """
    try:
        return Fixes.model_validate(plain_yaml.read_file(Path(file), "data.fixes", DataError))
    except ValidationError as error:
        raise DataError(f"{file} is no file of fixes: {first_fault(error)}") from error


def write_fixes(fixes: Fixes, file: Path) -> None:
    """Write the file whole or not at all."""
    write_text(file, fixes.to_yaml(str(file)))


def mark_of(name: str, survey: Survey, splits: Mapping[str, Rows]) -> DataMark:
    """What tells these data in these splits from others."""
    content = hashlib.sha256(json.dumps([survey.classes, list(survey.names)], ensure_ascii=False).encode())
    content.update(np.ascontiguousarray(survey.digests).data)
    content.update(survey.labels.astype("<i8").tobytes())
    shares = hashlib.sha256()
    for split, rows in splits.items():
        shares.update(f"{split} {len(rows)}".encode())
        shares.update(rows.astype("<i8").tobytes())
    return DataMark(name=name, images=len(survey.labels), content=content.hexdigest(), splits=shares.hexdigest())


def image_names(names: Sequence[str]) -> list[str]:
    """What the file calls each row: its name; a table may list one file twice, then `name #2`."""
    seen: Counter[str] = Counter()
    made = []
    for name in names:
        seen[name] += 1
        made.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return made


def _require_same(wanted: DataMark, got: DataMark, config: DataConfig) -> None:
    if wanted.content != got.content:
        raise DataError(
            f"{config.fixes} was made for other data: {wanted.name} of {wanted.images:,} images, content "
            f"{wanted.content[:12]}…; {config.source} has {got.images:,}, content {got.content[:12]}…; make it anew: "
            "eyas data check --fix"
        )
    if wanted.splits != got.splits:
        raise DataError(
            f"{config.fixes} was made for other splits of these data; data.seed, val_fraction and test_fraction must "
            f"be as they were then, got {config.seed}, {config.val_fraction:g} and {config.test_fraction:g}"
        )


def _rows(
    names: Sequence[str], row_of: Mapping[str, int], allowed: Rows, key: str, place: str, config: DataConfig
) -> Rows:
    """The rows of these images.

    Raises:
        DataError: a name that does not exist, stands twice in the list, or whose image stands elsewhere.
    """
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{config.fixes}: {key} must name an image once, got {twice[0]} twice or more")
    if unknown := [name for name in names if name not in row_of]:
        raise DataError(f"{config.fixes}: {key} names {len(unknown)} images that do not exist, such as {unknown[0]}")
    rows = np.array([row_of[name] for name in names], np.int64)
    if len(outside := np.flatnonzero(~np.isin(rows, allowed))):
        raise DataError(f"{config.fixes}: {key} is for images of {place}; {names[outside[0]]} is none of them")
    return rows


def _class(fix: Relabel, survey: Survey, row: int, config: DataConfig) -> int:
    given = survey.classes[survey.labels[row]]
    if fix.given != given:
        raise DataError(f"{config.fixes}: {fix.image} must be relabelled from its class {given}, got {fix.given}")
    if fix.suggested not in survey.classes:
        raise DataError(f"{config.fixes}: {fix.image} is relabelled to {fix.suggested}, which is no class")
    return survey.classes.index(fix.suggested)


def plain(fixes: Fixes) -> dict[str, Any]:
    """How many of each, for a report."""
    reasons = Counter(fix.reason for fix in fixes.remove)
    return {
        "remove": dict(reasons),
        "relabel": len(fixes.relabel),
        "test_near_duplicates": len(fixes.test_near_duplicates),
    }
