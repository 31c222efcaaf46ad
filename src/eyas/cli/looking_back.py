"""Finished runs looked at again: what `eyas diagnose` and `eyas report` both need."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eyas.core.runs import open_run
from eyas.data import open_dataset
from eyas.diagnose import Diagnosis
from eyas.diagnose import diagnose as diagnose_evidence
from eyas.train import gather_evidence


def diagnose_runs(paths: Sequence[Path], reference_error: float | None, tolerance: float) -> Diagnosis:
    """Diagnose the first run, with others of other seeds."""
    runs = [open_run(path) for path in paths]
    evidence = gather_evidence(runs, open_dataset(runs[0].config().data), reference_error=reference_error)
    return diagnose_evidence(evidence, tolerance)
