"""Studies of `eyas tune` as plain values: how each stands, and its trials as they go."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eyas.core.errors import EyasError, needs_extra
from eyas.core.lives import LOCK
from eyas.ui.folders import Folder, Parsed, Signature, signature
from eyas.ui.parsing import json_document, yaml_document
from eyas.ui.runs import pictures

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

PLAN, JOURNAL, RESULTS, IMPORTANCE, BEST = (
    "tune.yaml",
    "journal.log",
    "optimization_results.json",
    "importance.json",
    "best.yaml",
)
SQLITE = "sqlite:///"
COUNTED = ("complete", "pruned", "failed")


@dataclass
class _Reader:
    """The trials of one study, read when they have changed."""

    storage: BaseStorage
    files: list[Path]
    read: Callable[[BaseStorage], list[dict[str, Any]]]
    seen: list[Signature | None] = field(default_factory=list)
    trials: list[dict[str, Any]] = field(default_factory=list)

    def look(self) -> list[dict[str, Any]]:
        """As they are now; as they were at the last look where somebody is just writing."""
        now = [signature(file.stat()) if file.exists() else None for file in self.files]
        if now != self.seen:
            try:
                self.trials, self.seen = self.read(self.storage), now
            except (ValueError, KeyError, RuntimeError, OSError):
                return self.trials
        return self.trials


class Studies:
    """All that were looked at; used from one thread.

    Args:
        root: the folder of runs.
        parsed: what files say.
    """

    def __init__(self, root: Path, parsed: Parsed) -> None:
        self._root, self._parsed = root.resolve(), parsed
        self._readers: dict[tuple[str, int], _Reader] = {}
        self._changes: dict[str, Changes] = {}

    def summary(self, study: Folder) -> dict[str, Any]:
        """One line of the list.

        `state` is running, finished, stopped, or killed.
        """
        plan, results = self._plan(study), self._parsed.get(study, RESULTS, json_document) or {}
        trials, source = self.trials(study)
        own = [one for one in trials if one["continues"] is None and one["state"] != "withdrawn"]
        best = _best(trials, rising=_rising(plan))
        return {
            "study": study.path,
            "state": _state(study, results, begun=bool(trials)),
            "metric": plan.get("metric"),
            "rising": _rising(plan),
            "sampler": plan.get("sampler"),
            "rungs": plan.get("rungs") or [],
            "of": plan.get("trials"),
            "minutes": plan.get("minutes"),
            "configurations": len(own),
            "running": sum(one["state"] == "running" for one in trials),
            "done": sum(one["state"] in COUNTED for one in trials),
            "best": best and {key: best[key] for key in ("number", "value", "params", "run", "rung", "epochs")},
            "source": source,
        }

    def detail(self, study: Folder, after: int, token: str) -> dict[str, Any]:
        """The line, what changes seldom, and the trials that have changed since `after`.

        Args:
            after: `revision` of an earlier answer.
            token: of that answer; another one, and all trials are sent.
        """
        plan, (trials, _) = self._plan(study), self.trials(study)
        changes = self._changes.setdefault(study.path, Changes())
        own = f"{study.inode:x}-{id(changes):x}"
        changes.note(trials)
        best = study.read(BEST)
        results = self._parsed.get(study, RESULTS, json_document) or {}
        return {
            **self.summary(study),
            "token": own,
            "revision": changes.revision,
            "trials": changes.since(after if token == own else 0),
            "space": plan.get("space") or {},
            "data": (plan.get("settings") or {}).get("data", {}).get("source"),
            "importance": self._parsed.get(study, IMPORTANCE, json_document),
            "conclusion": results.get("conclusion") or "",
            "best_yaml": best[0].decode(errors="replace") if best else "",
            "pictures": [{"file": file, "version": version} for file, version in pictures(study)],
        }

    def trials(self, study: Folder) -> tuple[list[dict[str, Any]], str]:
        """All of them, and from where: live, results (as they were when it stopped), or none (not to be read here)."""
        key = study.path, study.inode
        if key not in self._readers and (reader := self._open(study)):
            self._readers[key] = reader
        if found := self._readers.get(key):
            return found.look(), "live"
        results = self._parsed.get(study, RESULTS, json_document)
        return (results["trials"], "results") if results else ([], "none")

    def _open(self, study: Folder) -> _Reader | None:
        """None where it cannot be read here."""
        plan = self._plan(study)
        file = self._place(study, plan)
        if file is None:
            return None
        try:
            with needs_extra("train"):
                from eyas.ui import trials as kept  # loads Optuna, which nothing else here needs
            space = kept.space_of(plan["space"])
            storage = (kept.open_sqlite if plan.get("storage") else kept.open_journal)(file)
        except (EyasError, KeyError, TypeError, RuntimeError):
            return None
        files = [file, file.with_name(f"{file.name}-wal")]
        return _Reader(storage, files, lambda place: kept.read_trials(place, plan["study"], space))

    def _place(self, study: Folder, plan: Mapping[str, Any]) -> Path | None:
        """The file that remembers the study; None where that is a server, or a file outside the folder of runs."""
        url = str(plan.get("storage") or "")
        if not url:
            return self._root / study.path / JOURNAL if study.stat(JOURNAL) else None
        if not url.startswith(SQLITE):
            return None
        file = Path(url.removeprefix(SQLITE).partition("?")[0]).resolve()
        return file if file.is_relative_to(self._root) and file.is_file() else None

    def _plan(self, study: Folder) -> dict[str, Any]:
        return self._parsed.get(study, PLAN, yaml_document) or {}


def _state(study: Folder, results: Mapping[str, Any], *, begun: bool) -> str:
    """Its lock is that of the process that searches; results are the last thing that one writes."""
    if study.held(LOCK):
        return "running"
    written, remembered = study.stat(RESULTS), study.stat(JOURNAL)
    if not written:
        return "killed" if begun else "waiting"
    if remembered and remembered.st_mtime > written.st_mtime:
        return "killed"
    compares = "final" in study.folders()
    return "finished" if results.get("final") or (study.stat(BEST) and not compares) else "stopped"


def _best(trials: Sequence[Mapping[str, Any]], *, rising: bool) -> Mapping[str, Any] | None:
    """As `eyas.tune.records.best_of`: by rung, then by value, the baseline aside."""
    known = [one for one in trials if one["value"] is not None and one["state"] in COUNTED and not one["baseline"]]
    sign = 1 if rising else -1
    return max(known, key=lambda one: (one["whole"], one["rung"], sign * one["value"], -one["number"]), default=None)


def _rising(plan: Mapping[str, Any]) -> bool:
    return not str(plan.get("metric", "")).endswith(("loss", "ece"))


class Changes:
    """Which trials have changed since when: each look that finds a change is a revision."""

    def __init__(self) -> None:
        self.revision = 0
        self._known: dict[int, tuple[int, str, dict[str, Any]]] = {}

    def note(self, trials: Sequence[dict[str, Any]]) -> None:
        """A look."""
        told = {one["number"]: (json.dumps(one, sort_keys=True, default=str), one) for one in trials}
        new = {number: both for number, both in told.items() if self._known.get(number, (0, ""))[1] != both[0]}
        if new:
            self.revision += 1
            self._known |= {number: (self.revision, text, one) for number, (text, one) in new.items()}

    def since(self, revision: int) -> list[dict[str, Any]]:
        """Those that have changed after it, by number."""
        return [one for _, (at, _, one) in sorted(self._known.items()) if at > revision]
