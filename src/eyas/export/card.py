"""`card.md`: the bundle in a person's words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eyas.bundle import Conformal, Imported, Parity, Quantisation
from eyas.core import io
from eyas.data.split import SplitName
from eyas.evaluate import Evaluation
from eyas.export.comparison import in_words

SHOWN_CLASSES = 20


def write_card(
    file: Path,
    fields: dict[str, Any],
    evaluations: Mapping[SplitName, Evaluation],
    parity: Parity,
    conformal: Conformal,
) -> None:
    """Write the model card: what it is, how good, how sure, where from, how to use it."""
    io.write_text(
        file, "\n".join([*_what(fields), *_how_good(evaluations), *_trust(fields, parity, conformal), *_use()])
    )


def _what(fields: dict[str, Any]) -> list[str]:
    classes, spec, dataset = fields["classes"], fields["input"], fields["dataset"]
    more = f" … and {len(classes) - SHOWN_CLASSES} more" if len(classes) > SHOWN_CLASSES else ""
    splits = ", ".join(f"{count:,} {name}" for name, count in dataset.images.items())
    return [
        f"# {fields['name']}",
        "",
        f"An image classifier ({fields['architecture']}, {fields['parameters']:,} trainable parameters), version "
        f"`{fields['version']}`, made {fields['created']}.",
        "",
        f"- **Input**: {spec.height}×{spec.width} pixels, {'grey' if spec.channels == 1 else 'RGB'}; other sizes: "
        f"{spec.resize}.",
        f"- **Classes** ({len(classes)}): {', '.join(classes[:SHOWN_CLASSES])}{more}.",
        f"- **Data**: {dataset.name} ({splits}), fingerprint `{dataset.fingerprint[:16]}…`.",
        *_imported(fields["imported"]),
        "",
    ]


def _imported(found: Imported | None) -> list[str]:
    if found is None:
        return []
    notes = "".join(f"\n  - {note}." for note in found.notes)
    beside = "".join(f"; weights in {name}, SHA-256 `{sha256[:16]}…`" for name, sha256 in found.external.items())
    return [f"- **Imported** from {found.file} ({found.format}), SHA-256 `{found.sha256[:16]}…`{beside}.{notes}"]


def _how_good(evaluations: Mapping[SplitName, Evaluation]) -> list[str]:
    lines = [
        "## How good",
        "",
        "| split | images | accuracy (95 % interval) | top 5 | macro F1 | NLL | ECE |",
        "| --- | --: | --- | --: | --: | --: | --: |",
    ]
    for split, found in evaluations.items():
        low, high = found.intervals["accuracy"]
        lines.append(
            f"| {split} | {found.images:,} | {found.accuracy:.2%} ({low:.2%} to {high:.2%}) | {found.top5:.2%} | "
            f"{found.macro.f1:.4f} | {found.nll:.4f} | {found.ece:.2%} |"
        )
    if worst := _worst_classes(evaluations):
        lines += ["", f"Least reliable classes by test F1: {worst}."]
    return [*lines, ""]


def _worst_classes(evaluations: Mapping[SplitName, Evaluation]) -> str:
    found = evaluations.get("test")
    if found is None:
        return ""
    rows = sorted((row for row in found.per_class() if row["support"]), key=lambda row: row["f1"])[:3]
    return ", ".join(f"{row['class']} ({row['f1']:.3f})" for row in rows)


def _trust(fields: dict[str, Any], parity: Parity, conformal: Conformal) -> list[str]:
    quantisation: Quantisation | None = fields["quantisation"]
    changed = in_words(quantisation) if quantisation else ()
    original = "the model as it came" if fields["imported"] else "PyTorch"
    return [
        "## How sure",
        "",
        f"- {'In float32, ' if changed else ''}ONNX Runtime agrees with {original} on all {parity.images:,} "
        f"{parity.split} images: largest difference in a probability {parity.differences['probabilities']:.1e}, same "
        f"class on {parity.agreement:.2%}.",
        *(f"- {line}." for line in changed),
        _calibrated(conformal, chose="the temperature" if fields["imported"] else "the epoch"),
        *(["- Whether the model was taught with some of these images is not known."] if fields["imported"] else []),
        "- All of this holds for images like those of the dataset, and not beyond.",
        "",
    ]


def _calibrated(conformal: Conformal, chose: str) -> str:
    if not conformal.images:
        return "- Without a validation split nothing was calibrated; every answer is marked for review."
    measured = "" if conformal.measured is None else f", and does for {conformal.measured:.1%} of the test split"
    return (
        f"- Probabilities are calibrated by temperature. The set of classes with probability at least "
        f"{conformal.threshold:.4f} is to hold the true class {conformal.coverage:.0%} of the time or more{measured}; "
        f"this is approximate, as the {conformal.images:,} calibration images also chose {chose}. An answer whose "
        "set is not one single class needs review."
    )


def _use() -> list[str]:
    return ["## Use", "", "```", "eyas predict BUNDLE image.png", "eyas serve BUNDLE --port 5000", "```", ""]
