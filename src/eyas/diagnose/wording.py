"""A diagnosis in words."""

from __future__ import annotations

from dataclasses import dataclass

from eyas.core.language import phrases_beside
from eyas.diagnose.findings import Decomposition, Estimate, Finding

phrases = phrases_beside(__file__)
"""The diagnosis's phrases, by language."""


@dataclass(frozen=True)
class Sentence:
    """A finding as a person reads it."""

    title: str
    evidence: str
    advice: str


def say(finding: Finding, language: str = "en") -> Sentence:
    """Title, evidence and advice.

    Raises:
        ConfigError: a language that there is none for.
    """
    words = phrases(language)
    values = dict(finding.values)
    if split := values.get("split"):
        values["split"] = words(f"split.{split}")
    parts = (words(f"{finding.code}.{part}", **values) for part in ("title", "evidence", "advice"))
    return Sentence(*parts)


def say_certainty(finding: Finding, decomposition: Decomposition, language: str = "en") -> str:
    """How sure the verdict is, with what that rests on."""
    words = phrases(language)
    values = {
        "train": decomposition.train_images,
        "val": decomposition.val_images,
        "seeds": decomposition.seeds,
        "tolerance": decomposition.tolerance,
    }
    basis = words("basis.seeds" if decomposition.seeds > 1 else "basis.images", **values)
    probability = finding.values.get("probability")
    if probability is None:
        return basis
    return words("basis.sure", probability=probability, basis=basis)


def tabulate(parts: Decomposition, language: str = "en") -> tuple[list[str], list[list[str]]]:
    """Where the validation error comes from: names of columns, and rows of quantity, value, interval, certainty."""
    words = phrases(language)
    reference = words("quantity.reference_known" if parts.reference_known else "quantity.reference_unknown")
    rows = [[reference, words.fill("{v:.1%}", v=parts.reference), "", ""]]
    for name in ("train_error", "val_error", "bias", "variance"):
        estimate: Estimate = getattr(parts, name)
        probability = getattr(parts, f"high_{name}", None)
        high = "" if probability is None else words("quantity.high", probability=probability, tolerance=parts.tolerance)
        interval = words.fill("{low:.1%} – {high:.1%}", low=estimate.low, high=estimate.high)
        rows.append([words(f"quantity.{name}"), words.fill("{v:.1%}", v=estimate.value), interval, high])
    return [words(f"columns.{name}") for name in ("quantity", "value", "interval", "high")], rows
