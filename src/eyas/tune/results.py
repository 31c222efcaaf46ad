"""`optimization_results.json`: every trial, the best, the baseline beside it, and the versions that decided them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eyas.core import io
from eyas.core.errors import ConfigError, ResumeError
from eyas.core.marks import FOUND
from eyas.report.environment import environment
from eyas.tune.final import Final
from eyas.tune.plan import TunePlan
from eyas.tune.records import TrialRecord, best_of
from eyas.tune.writing import to_plain

SCHEMA = 1


def write_results(
    folder: Path, plan: TunePlan, records: Sequence[TrialRecord], seconds: float, final: Final | None, says: str
) -> dict[str, Any]:
    """Write the file, replacing an older one, and give what is in it.

    Args:
        folder: of the study.
        plan: what was searched.
        records: every trial.
        seconds: of searching.
        final: None before the comparison, or where the best is the baseline itself.
        says: the conclusion, in a sentence.
    """
    values = {
        "schema_version": SCHEMA,
        "study": folder.name,
        "settings": dict(plan.settings),
        "space": to_plain(plan.space),
        "sampler": plan.sampler,
        "seed": plan.seed,
        "metric": plan.metric,
        "direction": "maximize" if plan.rising else "minimize",
        "rungs": list(plan.rungs),
        "budget": {"trials": plan.trials, "minutes": plan.minutes},
        "inherit": plan.inherit,
        "together": plan.together,
        "storage": plan.storage,
        "trials": [one.to_json() for one in records],
        "best": _summary(best_of(records, rising=plan.rising)),
        "baseline": _summary(next((one for one in records if one.baseline and one.state != "withdrawn"), None)),
        "final": final.to_json() if final else None,
        "conclusion": says,
        "totals": _totals(records, seconds),
        "environment": environment("optuna"),
    }
    io.write_json(folder / FOUND, values)
    return values


def read_results(folder: Path) -> dict[str, Any]:
    """What `write_results` gave.

    Raises:
        ConfigError: the search was not stopped or finished yet.
        ResumeError: the file is damaged.
    """
    file = folder / FOUND
    if not file.is_file():
        raise ConfigError(f"{folder} has no {FOUND} yet; go on with the search: eyas tune --resume {folder}")
    try:
        values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return values | {"records": [TrialRecord.from_json(one) for one in values["trials"]]}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResumeError(f"{file} is damaged: {error}") from error


def _summary(one: TrialRecord | None) -> dict[str, Any] | None:
    if one is None:
        return None
    names = ("number", "state", "params", "value", "rung", "epochs", "seconds", "run", "cause")
    values = one.to_json()
    return {name: values[name] for name in names}


def _totals(records: Sequence[TrialRecord], seconds: float) -> dict[str, Any]:
    """Epochs and training seconds are the sums of all trials' own."""
    before = {one.number: one.epochs for one in records}
    own = [one.epochs - (before[one.continues] if one.continues is not None else 0) for one in records]
    return {
        "configurations": sum(one.continues is None and one.state != "withdrawn" for one in records),
        "trials": len(records),
        "states": {
            state: sum(one.state == state for one in records) for state in sorted({one.state for one in records})
        },
        "epochs": sum(max(0, epochs) for epochs in own),
        "training_seconds": round(sum(one.seconds for one in records), 3),
        "search_seconds": round(seconds, 3),
    }
