"""An evaluation that comes after the training, told to the trackers that the run has."""

from __future__ import annotations

from typing import Any

from eyas.core import console
from eyas.core.runs import RunFolder
from eyas.data.split import SplitName
from eyas.track.delivery.process import deliver, warn
from eyas.track.delivery.spool import Spool
from eyas.track.describe import BOARD_FOLDER, scalars

SKIPPED = ("images", "resamples")
PREFIX = {"test": "test", "val": "evaluated_val", "train": "evaluated_train"}
"""`val_accuracy` alone is the curve of training."""


def record_evaluation(run: RunFolder, split: SplitName, summary: dict[str, Any]) -> None:
    """Log `test_accuracy` and its like where the run is tracked, and send what still waits. Never raises.

    Args:
        summary: what `Evaluation.summary` gives.
    """
    values = {f"{PREFIX[split]}_{name}": value for name, value in _measures(summary).items()}
    try:
        spool = Spool(run.path)
        if spool.trackers():
            _record(spool, split, values)
            for outcome in deliver(spool):
                warn(outcome, run.path)
        if (run.path / BOARD_FOLDER).exists():
            from eyas.track.board import add_evaluation  # loads tensorboard, which is optional

            add_evaluation(run, values)
    except Exception as error:  # noqa: BLE001 - the evaluation is done and printed whatever a tracker does
        console.warn(f"the evaluation is not tracked: {error}")


def _measures(summary: dict[str, Any]) -> dict[str, float]:
    """The numbers, and the ends of their intervals."""
    found = {name: value for name, value in scalars(summary).items() if name not in SKIPPED}
    for name, (low, high) in summary["intervals"].items():
        found |= {f"{name}_low": low, f"{name}_high": high}
    return found


def _record(spool: Spool, split: SplitName, values: dict[str, float]) -> None:
    """Into the spool, unless the split's last evaluation said the same."""
    before = [record["values"] for _, record in spool.records() if record.get("split") == split]
    if before and before[-1] == values:
        return
    pictures = sorted((spool.run / f"evaluation-{split}").glob("*.*"))
    files = ["metrics.json", *(str(file.relative_to(spool.run)) for file in pictures)]
    spool.append(
        {"kind": "evaluation", "split": split, "values": values},
        *({"kind": "file", "path": path} for path in files if (spool.run / path).exists()),
    )
