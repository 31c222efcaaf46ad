"""What a diagnosis says, without words: they are in `wording`, in each language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["problem", "warning", "note", "good"]
Value = float | int | str

# What spoils the measuring comes before what is measured.
CAUSES = (
    "leak-val",
    "leak-test",
    "shift",
    "no-learning",
    "diverged",
    "random-labels",
    "noisy-labels",
    "class-shift",
    "unstable",
    "high-variance",
    "high-bias",
    "plateau",
    "overfitting-epochs",
    "still-improving",
    "unfinished",
    "few-validation-images",
    "healthy",
)

# Where one of these is a problem, it explains the errors: bias and variance are then not named besides.
EXPLAINS_ERRORS = frozenset({"leak-val", "shift", "no-learning", "diverged", "random-labels", "noisy-labels"})


@dataclass(frozen=True)
class Finding:
    """One conclusion with its evidence and the remedy."""

    code: str
    """One of `CAUSES`."""
    severity: Severity
    values: dict[str, Value]
    """The evidence: what the sentence about this code is filled with."""
    commands: tuple[str, ...] = ()
    """The next command to run, and perhaps alternatives."""

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return {**asdict(self), "commands": list(self.commands)}


@dataclass(frozen=True)
class Estimate:
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> list[float]:
        """Value, low, high."""
        return [self.value, self.low, self.high]


@dataclass(frozen=True)
class Decomposition:
    """Where the validation error comes from: reference + avoidable bias + variance."""

    reference: float
    reference_known: bool
    """False: nobody said, and it is taken as 0, so that the bias holds what no model could avoid."""
    train_error: Estimate
    val_error: Estimate
    bias: Estimate
    """Training error above the reference."""
    variance: Estimate
    """Validation error above the training error."""
    high_bias: float
    """Probability that the bias is above the tolerance."""
    high_variance: float
    tolerance: float
    seeds: int
    train_images: int
    val_images: int

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; an estimate is [value, low, high]."""
        return {
            name: value.to_json() if isinstance(value, Estimate) else value for name, value in self.__dict__.items()
        }


@dataclass(frozen=True)
class Phases:
    """The epochs, from 1, in three parts."""

    underfit_until: int
    """The last epoch whose validation loss is still well above the best; 0 where there is none."""
    best: int
    overfit_from: int | None
    """The first epoch of those at the end whose validation loss is above the best for good, where it matters."""


@dataclass(frozen=True)
class Diagnosis:
    """The whole of it."""

    decomposition: Decomposition
    phases: Phases
    findings: Sequence[Finding]
    """Causes before their effects; never empty."""

    @property
    def verdict(self) -> Finding:
        """The first of the findings."""
        return self.findings[0]

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return {
            "verdict": self.verdict.code,
            "decomposition": self.decomposition.to_json(),
            "phases": asdict(self.phases),
            "findings": [finding.to_json() for finding in self.findings],
        }
