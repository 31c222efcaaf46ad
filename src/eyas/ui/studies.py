"""Studies of `eyas tune` as plain values: how each stands, and its trials as they go."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

from eyas.core.errors import EyasError, needs_extra
from eyas.core.marks import BEST, FINAL, FOUND, IMPORTANCE, JOURNAL, LOCK, SEARCH
from eyas.core.monitored import is_rising
from eyas.ui.folders import Folder, Parsed, Signature, signature
from eyas.ui.parsing import json_mapping, yaml_document
from eyas.ui.runs import life, pictures

SQLITE = "sqlite:///"
COUNTED = ("complete", "pruned", "failed")


@dataclass
class _Reader:
    """The trials of one study, read when they have changed."""

    files: list[Path]
    read: Callable[[], list[dict[str, Any]]]
    close: Callable[[], None]
    seen: list[Signature | None] = field(default_factory=list)
    trials: list[dict[str, Any]] | None = None

    def look(self) -> list[dict[str, Any]] | None:
        """As they are now; as they were at the last look where somebody is just writing. None: never read so far."""
        try:
            now = [signature(file.stat()) if file.exists() else None for file in self.files]
            if now != self.seen:
                self.trials, self.seen = self.read(), now
        except (ValueError, KeyError, RuntimeError, OSError, EyasError):
            return self.trials
        return self.trials


@dataclass
class _Known:
    """What was learned of one study, as it was made."""

    made: str
    reader: _Reader | None = None
    changes: Changes = field(default_factory=lambda: Changes())
    token: str = field(default_factory=token_hex)


class Studies:
    """All that were looked at; used from one thread.

    Args:
        root: the folder of runs.
        parsed: what files say.
    """

    def __init__(self, root: Path, parsed: Parsed) -> None:
        self._root, self._parsed = root.resolve(), parsed
        self._known: dict[str, _Known] = {}

    def summary(self, study: Folder) -> dict[str, Any]:
        """One line of the list.

        `state` is running, finished, stopped, failed, killed, elsewhere (nobody here can know) or waiting (not begun).
        """
        return self._line(study, *self.trials(study))

    def _line(self, study: Folder, trials: Sequence[Mapping[str, Any]], source: str) -> dict[str, Any]:
        plan, results = self._plan(study), self._results(study)
        said, state = life(study, self._parsed)
        own = [one for one in trials if one["continues"] is None and one["state"] != "withdrawn"]
        best = _best(trials, rising=_rising(plan))
        return {
            "study": study.path,
            "state": state or _guessed(study, results, begun=bool(trials)),
            "cause": said.get("cause") or "",
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
        plan, (trials, source), known = self._plan(study), self.trials(study), self._known_of(study)
        known.changes.note(trials)
        best = study.read(BEST)
        return {
            **self._line(study, trials, source),
            "token": known.token,
            "revision": known.changes.revision,
            "trials": known.changes.since(after if token == known.token else 0),
            "space": plan.get("space") or {},
            "data": (plan.get("settings") or {}).get("data", {}).get("source"),
            "importance": self._parsed.get(study, IMPORTANCE, json_mapping),
            "conclusion": self._results(study).get("conclusion") or "",
            "best_yaml": best[0].decode(errors="replace") if best else "",
            "pictures": [{"file": file, "version": version} for file, version in pictures(study)],
        }

    def trials(self, study: Folder) -> tuple[list[dict[str, Any]], str]:
        """All of them, and from where: live, results (as they were when it stopped), or none (not to be read here)."""
        known = self._known_of(study)
        known.reader = known.reader or self._open(study)
        found = known.reader.look() if known.reader else None
        if found is not None:
            return found, "live"
        results = self._results(study)
        return (results["trials"], "results") if results else ([], "none")

    def keep(self, studies: Collection[str]) -> None:
        """Forget all others."""
        for path in self._known.keys() - studies:
            self._forget(path)

    def _known_of(self, study: Folder) -> _Known:
        """What is known of it; nothing, where it was made anew."""
        made = study.made(SEARCH)
        if study.path in self._known and self._known[study.path].made != made:
            self._forget(study.path)
        return self._known.setdefault(study.path, _Known(made))

    def _forget(self, path: str) -> None:
        known = self._known.pop(path)
        if known.reader:
            known.reader.close()

    def _open(self, study: Folder) -> _Reader | None:
        """None where it cannot be read here."""
        plan = self._plan(study)
        file = self._place(study, plan)
        if file is None:
            return None
        try:
            with needs_extra("train"):
                from eyas.tune.storage import close_storage  # loads Optuna, which nothing else here needs
                from eyas.ui import trials as kept
            space = kept.space_of(plan["space"])
            storage = (kept.open_sqlite if plan.get("storage") else kept.open_journal)(file)
        except (EyasError, KeyError, TypeError, RuntimeError):
            return None
        files = [file, file.with_name(f"{file.name}-wal")]
        return _Reader(files, lambda: kept.read_trials(storage, plan["study"], space), lambda: close_storage(storage))

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
        return self._parsed.get(study, SEARCH, yaml_document) or {}

    def _results(self, study: Folder) -> dict[str, Any]:
        return self._parsed.get(study, FOUND, json_mapping) or {}


def unreadable_study(study: Folder) -> dict[str, Any]:
    """The line of a study whose files hold what nobody understands."""
    line: dict[str, Any] = {"metric": None, "of": None, "configurations": 0, "running": 0, "done": 0, "best": None}
    return line | {"study": study.path, "state": "unreadable"}


def _guessed(study: Folder, results: Mapping[str, Any], *, begun: bool) -> str:
    """The state of a study that does not say it: of an older eyas, or not begun."""
    if study.held(LOCK):
        return "running"
    if not results:
        return "stopped" if begun else "waiting"
    compares = FINAL in study.folders()
    return "finished" if results.get("final") or (study.stat(BEST) and not compares) else "stopped"


def _best(trials: Sequence[Mapping[str, Any]], *, rising: bool) -> Mapping[str, Any] | None:
    """As `eyas.tune.records.best_of`: by rung, then by value, the baseline aside."""
    known = [one for one in trials if one["value"] is not None and one["state"] in COUNTED and not one["baseline"]]
    sign = 1 if rising else -1
    return max(known, key=lambda one: (one["whole"], one["rung"], sign * one["value"], -one["number"]), default=None)


def _rising(plan: Mapping[str, Any]) -> bool:
    return is_rising(str(plan.get("metric", "")))


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
