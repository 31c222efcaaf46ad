"""All findings together, causes first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from eyas.core.errors import ConfigError
from eyas.diagnose.decomposition import decompose
from eyas.diagnose.epochs import find_phases, of_curves, of_learning_rate
from eyas.diagnose.evidence import Evidence
from eyas.diagnose.findings import CAUSES, EXPLAINS_ERRORS, Decomposition, Diagnosis, Estimate, Finding, Value
from eyas.diagnose.noise import of_labels
from eyas.diagnose.remedies import remedies
from eyas.diagnose.shift import of_splits

TOLERANCE = 0.02
LIKELY, SURE = 0.5, 0.95


def diagnose(evidence: Evidence, tolerance: float = TOLERANCE) -> Diagnosis:
    """Say what is wrong, how sure that is, and what to do.

    Args:
        evidence: of a run with a validation split and at least one finished epoch.
        tolerance: the share from which bias and variance are called high, in (0, 1).

    Raises:
        ConfigError: a tolerance or a reference error out of range.
    """
    if not 0 < tolerance < 1:
        raise ConfigError(f"the tolerance must be greater than 0 and less than 1, got {tolerance:g}")
    if evidence.reference_error is not None and not 0 <= evidence.reference_error < 1:
        raise ConfigError(f"the human error must be at least 0 and less than 1, got {evidence.reference_error:g}")
    parts = decompose(evidence.seeds, evidence.reference_error, tolerance)
    phases = find_phases(evidence.history)
    found = [
        *of_splits(evidence),
        *of_labels(evidence),
        *of_learning_rate(evidence.history, evidence.class_counts),
        *of_curves(evidence.history, phases, parts.train_error.value, tolerance),
        *_of_end(evidence),
    ]
    if not any(finding.severity == "problem" and finding.code in EXPLAINS_ERRORS for finding in found):
        found += _of_decomposition(parts)
    if not any(finding.severity == "problem" for finding in found):
        found.append(Finding("healthy", "good", _numbers(parts) | {"probability": _health(parts)}))
    ordered = sorted(found, key=lambda finding: _rank(finding, parts))
    with_commands = [replace(finding, commands=remedies(finding, evidence)) for finding in ordered]
    return Diagnosis(parts, phases, with_commands)


def _of_end(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.finished:
        planned = evidence.config.train.epochs
        yield Finding("unfinished", "warning", {"epochs": len(evidence.history["epoch"]), "planned": planned})


def _of_decomposition(parts: Decomposition) -> Iterator[Finding]:
    for code, probability in (("high-bias", parts.high_bias), ("high-variance", parts.high_variance)):
        if probability > LIKELY:
            yield Finding(code, "problem", _numbers(parts) | {"probability": probability})
    if 1 - SURE < parts.high_variance < SURE and parts.high_bias < SURE:  # else the bias comes first either way
        values: dict[str, Value] = {"images": parts.val_images, "low": parts.variance.low, "high": parts.variance.high}
        yield Finding("few-validation-images", "warning", values)


def _numbers(parts: Decomposition) -> dict[str, Value]:
    found: dict[str, Value] = {"reference": parts.reference, "tolerance": parts.tolerance}
    for name in ("train_error", "val_error", "bias", "variance"):
        estimate: Estimate = getattr(parts, name)
        found |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return found


def _health(parts: Decomposition) -> float:
    """Probability that neither is high: at least this, whatever their dependence (Bonferroni)."""
    return max(0.0, 1 - parts.high_bias - parts.high_variance)


def _rank(finding: Finding, parts: Decomposition) -> tuple[int, int, float]:
    """Problems or the all-clear, then warnings, then notes; causes first; of bias and variance the larger."""
    severity = {"problem": 0, "good": 0, "warning": 1, "note": 2}[finding.severity]
    code, size = finding.code, 0.0
    if code in ("high-bias", "high-variance"):
        size = -(parts.bias if code == "high-bias" else parts.variance).value
        code = "high-variance"
    return severity, CAUSES.index(code), size
