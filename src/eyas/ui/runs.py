"""Runs as plain values: how each stands, its epochs, and all that its folder says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from eyas.core.lives import standing
from eyas.core.marks import HISTORY, LOCK, MANIFEST, METRICS, RUN, STATE
from eyas.core.monitored import is_rising
from eyas.ui.folders import Folder, Parsed
from eyas.ui.parsing import Cells, history, json_document, json_mapping, yaml_document

CHECK = "data_check.json"
PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}
"""Suffix → type."""
PICTURES_DEPTH = 3
SPARK = 60
"""Values of the small curve in the list."""
RECENT = 5
"""Epochs whose mean time says how long the others will take."""


def summary(run: Folder, parsed: Parsed) -> dict[str, Any]:
    """One line of the list.

    `state` is running, finished, paused, stopped, failed, killed, elsewhere (nobody here can know whether it runs) or
    waiting (not begun); see also `unreadable`.
    """
    config = parsed.get(run, RUN, yaml_document) or {}
    columns, rows = epochs(run, parsed)
    of = _at(config, "train", "epochs") or len(rows)
    said, state = life(run, parsed)
    monitor, best = best_epoch(columns, rows, str(_at(config, "train", "monitor") or "val_loss"))
    values = [value for value in _column(columns, rows, monitor) if value is not None]
    changed = run.stat(HISTORY)
    return {
        "run": run.path,
        "state": state or _guessed(len(rows), of),
        "cause": said.get("cause") or "",
        "host": said.get("host") or "",
        "began": said.get("began") or _created(run),
        "epochs": len(rows),
        "of": of,
        "monitor": monitor,
        "best": dict(zip(columns, rows[best], strict=True)) if best is not None else None,
        "seconds": sum(filter(None, _column(columns, rows, "seconds"))) if rows else None,
        "epoch_seconds": _mean(_column(columns, rows, "seconds")[-RECENT:]),
        "written": changed.st_mtime if changed else None,
        "model": _at(config, "model", "name"),
        "data": _at(config, "data", "source"),
        "parameters": said.get("parameters"),
        "precision": said.get("precision"),
        "device": said.get("device"),
        "spark": values[-SPARK:],
    }


def unreadable(run: Folder) -> dict[str, Any]:
    """The line of a run whose files hold what nobody understands."""
    line: dict[str, Any] = {"epochs": 0, "of": 0, "best": None, "monitor": None, "spark": [], "study": ""}
    return line | {"run": run.path, "state": "unreadable", "began": _created(run)}


def epochs(run: Folder, parsed: Parsed) -> tuple[list[str], list[Cells]]:
    """Columns and rows of the history so far."""
    return parsed.get(run, HISTORY, history) or ([], [])


def about(run: Folder, parsed: Parsed) -> dict[str, Any]:
    """All that changes seldom: configuration, evaluations, pictures, what the check of the data found, the bundle."""
    config = run.read(RUN)
    return {
        "config": config[0].decode(errors="replace") if config else "",
        "values": flat(parsed.get(run, RUN, yaml_document) or {}),
        "metrics": parsed.get(run, METRICS, json_mapping) or {},
        "evaluations": _evaluations(run, parsed),
        "pictures": [{"file": file, "version": version} for file, version in pictures(run)],
        "check": parsed.get(run, CHECK, json_document),
        "bundles": _bundles(run, parsed),
    }


def pictures(folder: Folder, depth: int = PICTURES_DEPTH) -> Iterator[tuple[str, str]]:
    """The pictures of a run or a study, each with a word that changes when it does; not those of runs in it."""
    for name in folder.files():
        if name.lower().endswith(tuple(PICTURES)) and (found := folder.stat(name)):
            yield name, f"{found.st_mtime_ns:x}"
    for name in folder.folders() if depth > 1 else ():
        if name == "runs":
            continue
        with folder.folder(name) as inner:
            if inner:
                yield from ((f"{name}/{file}", version) for file, version in pictures(inner, depth - 1))


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted key → value."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def best_epoch(columns: list[str], rows: list[Cells], monitor: str) -> tuple[str, int | None]:
    """What epochs are judged by, and the row of the best: its training twin where it is empty, as in training."""
    if not any(value is not None for value in _column(columns, rows, monitor)):
        monitor = monitor.removeprefix("val_")
    sign = 1 if is_rising(monitor) else -1
    known = [(sign * value, -at) for at, value in enumerate(_column(columns, rows, monitor)) if value is not None]
    return monitor, -max(known)[1] if known else None


def life(folder: Folder, parsed: Parsed) -> tuple[dict[str, Any], str]:
    """What a run or a study says of itself, and its state; empty where it says nothing: an older eyas, or not begun."""
    said: dict[str, Any] = {}
    state = ""
    for _ in range(2):  # it may begin between the two looks
        held = folder.held(LOCK)
        said = parsed.get(folder, STATE, json_mapping) or {}
        state = standing(said, held=held) if said else ""
        if state != "killed":
            break
    return said, state


def _guessed(done: int, of: int) -> str:
    """The state of a run that does not say it."""
    return "waiting" if not done else "finished" if done >= of else "stopped"


def _evaluations(run: Folder, parsed: Parsed) -> dict[str, Any]:
    """Split → what `eyas evaluate` wrote."""
    found = {}
    for name in run.folders():
        if name.startswith("evaluation-"):
            with run.folder(name) as inner:
                if inner and (values := parsed.get(inner, "evaluation.json", json_mapping)):
                    found[name.removeprefix("evaluation-")] = values
    return found


def _bundles(run: Folder, parsed: Parsed) -> list[dict[str, Any]]:
    made = []
    for name in run.folders():
        if name == "bundle" or name.startswith("bundle-"):
            with run.folder(name) as inner:
                if inner and (manifest := parsed.get(inner, MANIFEST, json_mapping)):
                    told = {key: manifest.get(key) for key in ("name", "version", "created")}
                    made.append({"folder": name, **told})
    return made


def _created(run: Folder) -> float | None:
    found = run.stat(RUN)
    return found.st_mtime if found else None


def _column(columns: list[str], rows: list[Cells], name: str) -> Cells:
    if name not in columns:
        return []
    at = columns.index(name)
    return [row[at] for row in rows]


def _mean(values: Cells) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _at(values: Mapping[str, Any], *keys: str) -> Any:
    node: Any = values
    for key in keys:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node
