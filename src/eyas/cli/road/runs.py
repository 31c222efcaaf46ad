"""Run folders and studies, by their small files: the weights are not opened."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import time
from typing import Any, TypeAlias

from eyas.cli.road.place import Run, Study, StudyKind
from eyas.cli.road.reading import Troubles, read_json, read_or, read_yaml
from eyas.core.schema.train import is_rising

LOOKED_AT = 12  # runs, the newest
ACTIVE_SECONDS = 120.0
DONE = {"compare": "results.json", "learning-curve": "results.json", "tune": "optimization_results.json"}
WRITTEN = ("history.csv", "config.yaml", "study.yaml", "tune.yaml")


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
    runs = [folder for folder in folders if (folder / "config.yaml").is_file()]
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
    plan = read_or(folder / "config.yaml", f"{name}/config.yaml", _plan, None, troubles)
    if plan is None:
        return None
    history = partial(_history, monitor=plan.monitor)
    values: list[float | None] = read_or(folder / "history.csv", f"{name}/history.csv", history, [], troubles)
    finished = len(values) >= plan.epochs or _ran_out(values, plan)
    return Run(
        path=name,
        epochs=len(values),
        planned=plan.epochs,
        finished=finished,
        active=not finished and time() - _changed(folder) < ACTIVE_SECONDS,
        accuracy=read_or(folder / "metrics.json", f"{name}/metrics.json", _accuracy, None, troubles),
        exported=(folder / "bundle" / "manifest.json").is_file(),
    )


def _plan(file: Path) -> _Plan:
    train = read_yaml(file)["train"]
    early = train["early_stopping"]
    return _Plan(
        epochs=int(train["epochs"]),
        monitor=str(train["monitor"]),
        patience=int(early["patience"]) if early else None,
        min_delta=float(early["min_delta"]) if early else 0.0,
    )


def _history(file: Path, monitor: str) -> list[float | None]:
    """The monitored value of each epoch; None where it was not measured."""
    with file.open(newline="", encoding="utf-8") as lines:
        return [float(row[monitor]) if row[monitor] else None for row in csv.DictReader(lines)]


def _accuracy(file: Path) -> float | None:
    tested = read_json(file).get("test")
    return None if tested is None else float(tested["accuracy"])


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
    if (folder / "tune.yaml").is_file():
        kind: StudyKind = "tune"
    elif (folder / "study.yaml").is_file():
        plan: dict[str, Any] = read_or(folder / "study.yaml", f"{name}/study.yaml", read_yaml, {}, troubles)
        kind = "learning-curve" if plan.get("kind") == "learning-curve" else "compare"
    else:
        return None
    return Study(name, kind, (folder / DONE[kind]).is_file())
