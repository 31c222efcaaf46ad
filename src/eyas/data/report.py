"""`check_dataset`: everything that is wrong with the data, in one `CheckReport`; the rules are in `checks`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from eyas.core import notebook
from eyas.core.errors import DataError
from eyas.core.schema import DataConfig
from eyas.data import checks
from eyas.data.checks import Finding
from eyas.data.fixes import read_fixes
from eyas.data.sources import open_source
from eyas.data.splits import Rows, make_splits, readable_rows
from eyas.data.survey import Survey, take_survey


@dataclass(frozen=True)
class CheckReport:
    """Counts, sizes, and every finding."""

    name: str
    classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    """Split → class → images. Where no split can be made, the parts that the source declares."""
    sizes: Mapping[str, int]
    """`height×width` → images, commonest first."""
    modes: Mapping[str, int]
    """`grey` and `colour` → images."""
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing would spoil training."""
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that would."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> list[str]:
        """What is wrong but spoils nothing, a line each."""
        return [f"{one.message} [{one.code}]" for one in self.findings if one.severity == "warning"]

    def require_sound(self, *, force: bool) -> None:
        """Refuse data that would spoil training, unless `force`.

        Raises:
            DataError: names every such finding.
        """
        if self.errors and not force:
            found = "; ".join(f"{e.message} ({e.examples[0]})" if e.examples else e.message for e in self.errors)
            raise DataError(
                f"these data would spoil training: {found}; `eyas data check` shows examples; mend them, or pass "
                "data.force=true"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "classes": list(self.classes), "findings": [asdict(f) for f in self.findings]}

    def finding_rows(self) -> list[tuple[str, str, str, str]]:
        """Severity, code, message and examples, errors first: rows for a table."""
        ordered = sorted(self.findings, key=lambda finding: finding.severity)  # `error` < `warning`
        return [(f.severity, f.code, f.message, ", ".join(f.examples)) for f in ordered]

    def count_rows(self) -> list[tuple[str | int, ...]]:
        """Class, then its images in each split (the keys of `counts`), then their sum: rows for a table."""
        return [
            (name, *(split.get(name, 0) for split in self.counts.values()), self._total(name)) for name in self.classes
        ]

    def _repr_html_(self) -> str:
        counts = notebook.table(("class", *self.counts, "all"), self.count_rows()[: notebook.MOST_ROWS])
        return notebook.block(
            f"{self.name}: {'sound' if self.ok else 'training on this would be spoilt'}",
            notebook.table(("severity", "code", "what", "examples"), self.finding_rows()) if self.findings else "",
            counts,
        )

    def _total(self, name: str) -> int:
        return sum(split.get(name, 0) for split in self.counts.values())


def check_dataset(config: DataConfig) -> CheckReport:
    """Look at every image that `config.source` means.

    It goes on where `open_dataset` would stop: unreadable images, several sizes, classes too small to split.

    Returns:
        Counts and findings; `ok` where none of them is an error.

    Raises:
        ConfigError: no source.
        DataError: the source cannot be read at all.
    """
    source = open_source(config.source)
    return check_survey(source.name, take_survey(source, config.max_pixels), config)[0]


def check_survey(name: str, survey: Survey, config: DataConfig) -> tuple[CheckReport, Survey, Mapping[str, Rows]]:
    """The report on a survey, the survey and the splits that it is about: with `config.fixes`, as these make them.

    Raises:
        DataError: fixes that are not for these data.
    """
    splits, unsplit = _splits(survey, config)
    if config.fixes and not unsplit:
        fixed = read_fixes(config.fixes).apply(survey, splits, config)
        survey, splits = replace(survey, labels=fixed.labels), fixed.splits
    findings = [
        *unsplit,
        *checks.of_files(survey, sized=config.image_size is not None),
        *checks.of_duplicates(survey, splits),
        *checks.of_classes(survey, splits),
    ]
    report = CheckReport(
        name=name,
        classes=survey.classes,
        counts={name: _by_class(survey, rows) for name, rows in splits.items()},
        sizes=_sizes(survey),
        modes=_modes(survey),
        findings=tuple(findings),
    )
    return report, survey, splits


def _splits(survey: Survey, config: DataConfig) -> tuple[Mapping[str, Rows], list[Finding]]:
    """The splits that training would use; the declared parts and a finding where none can be made."""
    parts = readable_rows(survey.parts, survey.failures)
    try:
        splits = make_splits(parts, survey.labels, survey.classes, config)
    except DataError as error:
        return {str(part): rows for part, rows in parts.items()}, [Finding("error", "no-splits", str(error), 1, ())]
    return {str(name): rows for name, rows in splits.items()}, []


def _by_class(survey: Survey, rows: Rows) -> dict[str, int]:
    counts = np.bincount(survey.labels[rows], minlength=len(survey.classes))
    return {name: int(count) for name, count in zip(survey.classes, counts, strict=True)}


def _sizes(survey: Survey) -> dict[str, int]:
    readable = survey.sizes[survey.sizes[:, 0] > 0]
    return dict(Counter(f"{height}×{width}" for height, width in readable.tolist()).most_common())


def _modes(survey: Survey) -> dict[str, int]:
    grey = int(survey.grey.sum())
    return {"grey": grey, "colour": len(survey.labels) - len(survey.failures) - grey}
