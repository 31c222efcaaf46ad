"""Run folders and studies, by their small files: the weights are not opened."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import time
from typing import Any, TypeAlias

from eyas.cli.road.place import Run, Study, StudyKind
from eyas.cli.road.reading import NEITHER, Troubles, read_json, read_or, read_yaml
from eyas.core import marks
from eyas.core.monitored import is_rising

LOOKED_AT = 12  # runs, the newest
ACTIVE_SECONDS = 120.0
GOES_ON = ("running", "elsewhere")
WRITTEN = (marks.HISTORY, marks.RUN, marks.STATE, *marks.STUDY, marks.RESULTS, marks.JOURNAL, marks.FOUND)

_Epoch: TypeAlias = tuple[int, float | None]
"""Its number, and the monitored value; None where that was not measured."""
Found: TypeAlias = tuple[tuple[Run, ...], int, tuple[Study, ...]]
"""The runs, how many older ones there are, and the studies; the newest first."""


@dataclass(frozen=True)
class _Plan:
    """What a run's configuration says of its end."""

    epochs: int
    monitor: str
    patience: int | None
    """None where early stopping is off."""
    min_delta: float


def find_runs(here: Path, runs_dir: str, troubles: Troubles) -> Found:
    """What lies below `here / runs_dir`."""
    folders = sorted((here / runs_dir).glob("*/"), key=_changed, reverse=True)
    runs = [folder for folder in folders if marks.is_run(folder)]
    names = {folder: f"{runs_dir.rstrip('/')}/{folder.name}" for folder in folders}
    studies = (_read_study(folder, names[folder], troubles) for folder in folders)
    read = (_read_run(folder, names[folder], troubles) for folder in runs[:LOOKED_AT])
    return tuple(filter(None, read)), len(runs[LOOKED_AT:]), tuple(filter(None, studies))


def _changed(folder: Path) -> float:
    """When something was last written in it."""
    return max(map(_written, (folder / name for name in WRITTEN)))


def _written(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:  # there is none, or no more
        return 0.0


def _read_run(folder: Path, name: str, troubles: Troubles) -> Run | None:
    plan = read_or(folder / marks.RUN, f"{name}/{marks.RUN}", _plan, None, troubles)
    if plan is None:
        return None
    history = partial(_history, monitor=plan.monitor)
    rows: list[_Epoch] = read_or(folder / marks.HISTORY, f"{name}/{marks.HISTORY}", history, [], troubles)
    epochs, imported = [value for number, value in rows if number > 0], [number for number, _ in rows] == [0]
    state = read_or(folder / marks.STATE, f"{name}/{marks.STATE}", _state, "", troubles)
    done = state == "finished" or imported or len(epochs) >= plan.epochs or (not state and _ran_out(epochs, plan))
    finished, written = done and state not in GOES_ON, _changed(folder)
    manifest = folder / "bundle" / marks.MANIFEST
    model, version = read_or(manifest, f"{name}/bundle/{marks.MANIFEST}", _bundle, NEITHER, troubles)
    return Run(
        path=name,
        state=state,
        epochs=len(epochs),
        planned=plan.epochs,
        imported=imported,
        finished=finished,
        active=state in GOES_ON if state else not finished and time() - written < ACTIVE_SECONDS,
        accuracy=read_or(folder / marks.METRICS, f"{name}/{marks.METRICS}", _accuracy, None, troubles),
        exported=manifest.is_file(),
        model=model,
        version=version,
        written=written,
    )


def _state(file: Path) -> str:
    """How the run or the study that it lies in stands; see `Run.state`."""
    said = read_json(file).get("state")
    if said != "running":
        return str(said or "")
    from eyas.core.lives import seen  # which takes as long to load as all the rest, and is seldom needed

    return seen(file.parent)[1]


def _bundle(file: Path) -> tuple[str, str]:
    manifest = read_json(file)
    return str(manifest["name"]), str(manifest["version"])


def _plan(file: Path) -> _Plan:
    train = read_yaml(file)["train"]
    early = train["early_stopping"]
    return _Plan(
        epochs=int(train["epochs"]),
        monitor=str(train["monitor"]),
        patience=int(early["patience"]) if early else None,
        min_delta=float(early["min_delta"]) if early else 0.0,
    )


def _history(file: Path, monitor: str) -> list[_Epoch]:
    with file.open(newline="", encoding="utf-8") as lines:
        return [(int(row["epoch"]), float(row[monitor]) if row[monitor] else None) for row in csv.DictReader(lines)]


def _accuracy(file: Path) -> float | None:
    tested = read_json(file).get("test")
    if tested is None:
        return None
    accuracy = float(tested["accuracy"])
    if not math.isfinite(accuracy):
        raise ValueError(f"test.accuracy must be finite, got {accuracy}")
    return accuracy


def _ran_out(values: Sequence[float | None], plan: _Plan) -> bool:
    """Whether early stopping ended it: counted as `eyas.train.progress.stopping` counts, which needs torch."""
    sign = 1 if is_rising(plan.monitor) else -1
    best, wait = float("-inf"), 0
    for value in values:
        if value is None:
            continue
        better = sign * value - best > plan.min_delta
        best, wait = (sign * value, 0) if better else (best, wait + 1)
    return plan.patience is not None and wait >= plan.patience


def _read_study(folder: Path, name: str, troubles: Troubles) -> Study | None:
    if (folder / marks.SEARCH).is_file():
        kind: StudyKind = "tune"
    elif (folder / marks.COMPARISON).is_file():
        plan: dict[str, Any] = read_or(folder / marks.COMPARISON, f"{name}/{marks.COMPARISON}", read_yaml, {}, troubles)
        kind = "learning-curve" if plan.get("kind") == "learning-curve" else "compare"
    else:
        return None
    state = read_or(folder / marks.STATE, f"{name}/{marks.STATE}", _state, "", troubles)
    done = state == "finished" or (not state and _has_results(folder, kind, name, troubles))
    return Study(name, kind, finished=done, active=state in GOES_ON, written=_changed(folder))


def _has_results(folder: Path, kind: StudyKind, name: str, troubles: Troubles) -> bool:
    """Whether it is through. A search that was stopped writes its results too, and the best trial so far."""
    if kind != "tune":
        return (folder / marks.RESULTS).is_file()
    results: dict[str, Any] = read_or(folder / marks.FOUND, f"{name}/{marks.FOUND}", read_json, {}, troubles)
    same = (folder / marks.BEST).is_file() and not (folder / marks.FINAL).is_dir()  # the best is the baseline itself
    return bool(results) and (bool(results.get("final")) or same)
