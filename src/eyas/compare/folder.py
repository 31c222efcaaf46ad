"""What a finished comparison leaves in the study's folder: `results.json`, `results.csv` and `curves.png`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from eyas.compare.conclusion import conclude
from eyas.compare.picture import draw_studies
from eyas.compare.results import ArmResult, StudyResult, to_json
from eyas.core import io
from eyas.core.marks import RESULTS

FILES = (RESULTS, "results.csv", "curves.png")


def write_results(results: Sequence[StudyResult], folder: Path) -> None:
    """Write all three, replacing older ones."""
    draw_studies(results, folder / "curves.png")
    rows = [row for result in results for arm in result.arms for row in _rows(result, arm)]
    io.write_csv(folder / "results.csv", rows[0], [row.values() for row in rows])
    io.write_json(folder / RESULTS, full_json(results))


def full_json(results: Sequence[StudyResult]) -> list[dict[str, Any]]:
    """Each study with its conclusion."""
    return [{**to_json(result), "conclusion": conclude(result)} for result in results]


def _rows(result: StudyResult, arm: ArmResult) -> Iterator[dict[str, Any]]:
    """One row a run."""
    runs = arm.trained
    for index, seed in enumerate(result.seeds):
        yield {
            "study": result.name,
            "arm": arm.name,
            "seed": seed,
            "run": runs.runs[index].path.name,
            "kept_epoch": runs.kept[index] + 1,
            "val_accuracy": float(runs.val[index].mean()),
            "val_loss": runs.kept_values("val_loss")[index],
            "train_accuracy": runs.kept_values("accuracy")[index],
            "epochs_to_target": arm.speed.epochs[index],
            "seconds_to_target": arm.speed.seconds[index],
            "seconds": float(runs.curves("seconds")[index].sum()),
            "final_test_accuracy": float(runs.test[index].mean()) if runs.test is not None else None,
        }
