"""What a check of the data can find, how bad each is, and the report that holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]
EXAMPLES = 5
"""File names given with a finding."""


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

    def _total(self, name: str) -> int:
        return sum(split.get(name, 0) for split in self.counts.values())
