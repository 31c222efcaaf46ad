"""An evaluation as a folder: the JSON, and a picture of each part of it."""

from __future__ import annotations

from pathlib import Path

from eyas.core import io
from eyas.evaluate import Evaluation
from eyas.report.figures import draw_confusion, draw_per_class, draw_reliability


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write `evaluation.json`, `confusion.png`, `reliability.png` and `per_class.png`, replacing older ones."""
    io.write_json(folder / "evaluation.json", evaluation.to_json())
    draw_confusion(evaluation.classes, evaluation.confusion, folder / "confusion.png")
    draw_reliability(evaluation, folder / "reliability.png")
    draw_per_class(evaluation, folder / "per_class.png")
