"""Run folders and studies, by their small files: the weights are not opened."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path
from time import time
from typing import Any

from eyas.cli.road.place import Run, Study, StudyKind
from eyas.cli.road.reading import Troubles, read_json, read_or, read_yaml

LOOKED_AT = 12  # runs, the newest
ACTIVE_SECONDS = 120.0
DONE = {"compare": "results.json", "learning-curve": "results.json", "tune": "optimization_results.json"}


def find_runs(here: Path, runs_dir: str, troubles: Troubles) -> tuple[tuple[Run, ...], int, tuple[Study, ...]]:
    """The runs below `here / runs_dir`, how many older ones there are, and the studies; the newest first."""
    folders = sorted((here / runs_dir).glob("*/"), key=_changed, reverse=True)
    runs = [folder for folder in folders if (folder / "config.yaml").is_file()]
    names = {folder: f"{runs_dir.rstrip('/')}/{folder.name}" for folder in folders}
    studies = (_read_study(folder, names[folder], troubles) for folder in folders)
    read = (_read_run(folder, names[folder], troubles) for folder in runs[:LOOKED_AT])
    return tuple(filter(None, read)), len(runs[LOOKED_AT:]), tuple(filter(None, studies))


def _changed(folder: Path) -> float:
    """When something was last written in it."""
    files = (folder / name for name in ("history.csv", "config.yaml", "study.yaml", "tune.yaml"))
    return max((file.stat().st_mtime for file in files if file.is_file()), default=0.0)


def _read_run(folder: Path, name: str, troubles: Troubles) -> Run | None:
    config = read_or(folder / "config.yaml", f"{name}/config.yaml", _training, None, troubles)
    if config is None:
        return None
    history = read_or(folder / "history.csv", f"{name}/history.csv", _history, [], troubles)
    metrics = read_or(folder / "metrics.json", f"{name}/metrics.json", read_json, {}, troubles)
    finished = len(history) >= config["epochs"] or _ran_out(history, config)
    tested = metrics.get("test")
    return Run(
        path=name,
        epochs=len(history),
        planned=config["epochs"],
        finished=finished,
        active=not finished and time() - _changed(folder) < ACTIVE_SECONDS,
        accuracy=tested.get("accuracy") if isinstance(tested, dict) else None,
        exported=(folder / "bundle" / "manifest.json").is_file(),
    )


def _training(file: Path) -> dict[str, Any]:
    """The section `train`, its epochs a number."""
    train = read_yaml(file)["train"]
    return {**train, "epochs": int(train["epochs"])}


def _history(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _ran_out(history: list[dict[str, str]], config: dict[str, Any]) -> bool:
    """Whether early stopping ended it: counted as `eyas.train.progress.stopping` counts, which needs torch."""
    rule, monitor = config.get("early_stopping"), config.get("monitor", "val_loss")
    values = [float(row[monitor]) for row in history if row.get(monitor)]
    if not isinstance(rule, dict) or not values:
        return False
    sign = -1 if monitor.endswith(("loss", "ece")) else 1
    best, wait = sign * values[0], 0
    for _, value in pairwise(values):
        better = sign * value > best + rule["min_delta"]
        best, wait = (sign * value, 0) if better else (best, wait + 1)
    return bool(wait >= rule["patience"])


def _read_study(folder: Path, name: str, troubles: Troubles) -> Study | None:
    if (folder / "tune.yaml").is_file():
        kind: StudyKind = "tune"
    elif (folder / "study.yaml").is_file():
        plan = read_or(folder / "study.yaml", f"{name}/study.yaml", read_yaml, {}, troubles)
        kind = "learning-curve" if plan.get("kind") == "learning-curve" else "compare"
    else:
        return None
    return Study(name, kind, (folder / DONE[kind]).is_file())
