"""A rollout on disk: it outlives every process, killed at whatever moment.

FOLDER/history.jsonl   a line for every move: who, when, why, from, to, what was known; only ever appended to
FOLDER/rollout.json    the rollout as it stands, so that readers need not read the history
FOLDER/.lock           held by whoever writes

A move is made once its line is on the disk, whole. Then `rollout.json` follows by one rename. A writer that was killed
in between leaves a `rollout.json` that is one step behind, so readers look at the last line as well; one that was
killed within the line leaves a torn end, which is no move, and which the next writer takes away.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from eyas.bundle import Repository
from eyas.bundle.writing import only_writer
from eyas.core import io
from eyas.core.errors import IntegrityError, RolloutError
from eyas.core.schema import Section
from eyas.core.schema.section import first_fault
from eyas.rollout.gate import GateReport
from eyas.rollout.moves import Move, Rollout, Status, moved, named
from eyas.rollout.plan import RolloutPlan

FOLDER = ".rollouts"
CURRENT, HISTORY = "rollout.json", "history.jsonl"
LOCK_SECONDS = 10.0
UNGATED = "started without the gate"
BLOCK = 1 << 16  # bytes; several lines

Kept = TypeVar("Kept", bound=Section)


class Entry(Section):
    """One line of the history."""

    time: float
    """Seconds since 1970."""
    by: str
    """Who; `eyas` where a verdict did."""
    why: tuple[str, ...]
    """In words."""
    move: Move
    before: Status | None
    """None at a start."""
    stage_before: int | None
    after: Rollout
    evidence: dict[str, Any] | None = None
    """What was known, by `Evidence.to_json`; under `gate` what the gate said, by `GateReport.to_json`."""


class RolloutStore:
    """The rollouts of one model, one at a time. The folder need not exist yet.

    Args:
        folder: of their own.
        lock_seconds: how long to wait for another writer.
    """

    def __init__(self, folder: Path | str, lock_seconds: float = LOCK_SECONDS) -> None:
        self.folder = Path(folder)
        self._lock_seconds = lock_seconds

    def current(self) -> Rollout | None:
        """The last rollout, running or over; None before the first. Needs no lock.

        Raises:
            IntegrityError: a file is damaged.
        """
        last = _last_line(self.folder / HISTORY)
        found = [_read(Entry, last, HISTORY, self.folder).after] if last is not None else []
        with suppress(FileNotFoundError):
            found.append(_read(Rollout, (self.folder / CURRENT).read_bytes(), CURRENT, self.folder))
        return max(found, key=lambda rollout: rollout.step, default=None)

    def history(self) -> tuple[Entry, ...]:
        """Every move, the first one first.

        Raises:
            IntegrityError: a line is damaged, or one is missing.
        """
        try:
            *lines, _torn = (self.folder / HISTORY).read_bytes().split(b"\n")
        except FileNotFoundError:
            return ()
        entries = tuple(_read(Entry, line, HISTORY, self.folder) for line in lines)
        for step, entry in enumerate(entries, start=1):
            if entry.after.step != step:
                raise IntegrityError(f"{self.folder / HISTORY}: line {step} must be step {step}, is {entry.after.step}")
        return entries

    def require_over(self) -> None:
        """Refuse to begin while a rollout is under way.

        Raises:
            RolloutError: it is not over.
        """
        _require_over(self.current())

    def start(self, plan: RolloutPlan, *, by: str, why: str, now: float, gate: GateReport | None = None) -> Rollout:
        """Begin a rollout, once the one before is over.

        Args:
            plan: of it; whether it is gated is said by `gate` alone.
            by: who.
            why: in words.
            now: seconds since 1970.
            gate: what the gate has said; None where it was not asked.

        Raises:
            RolloutError: another one is not over, or the gate does not let it through.
            BundleError: another process holds the lock.
        """
        if gate is not None:
            gate.require_passed(plan.challenger)
        with only_writer(self.folder, self._lock_seconds):
            last = self._settled()
            _require_over(last)
            number, step = (last.number + 1, last.step + 1) if last else (1, 1)
            plan = plan.model_copy(update={"gated": gate is not None})
            begun = Rollout(number=number, step=step, plan=plan, status=Status.RUNNING, stage=0, since=now)
            return self._write(
                Entry(
                    time=now,
                    by=by,
                    why=(why,) if gate else (why, UNGATED),
                    move=Move.START,
                    before=None,
                    stage_before=None,
                    after=begun,
                    evidence={"gate": gate.to_json()} if gate else None,
                )
            )

    def move(
        self,
        move: Move,
        *,
        by: str,
        why: str | tuple[str, ...],
        now: float,
        stage: int | None = None,
        evidence: Mapping[str, Any] | None = None,
        expected: int | None = None,
        early: bool = False,
        first: Callable[[Rollout], object] | None = None,
    ) -> Rollout:
        """Make a move; on return the disk has it.

        Args:
            move: any but `START`.
            by: who.
            why: in words.
            now: seconds since 1970.
            stage: to advance to; the next one where None.
            evidence: what was known, as plain JSON.
            expected: the step that the decision was made on; another process may have moved since.
            early: promote it before its last stage.
            first: done before the move is, once it is known to be legal; where it raises, there is no move.

        Raises:
            RolloutError: there is no rollout, the move does not lead on from where it stands, or it has moved since.
            BundleError: another process holds the lock.
        """
        with only_writer(self.folder, self._lock_seconds):
            last = self._settled()
            if last is None:
                raise RolloutError(f"there is no rollout in {self.folder} that could {move}; start one")
            if expected is not None and expected != last.step:
                raise RolloutError(
                    f"{named(last)} has moved since: it was at step {expected}, is at {last.step}, {last.status}"
                )
            after = moved(last, move, now, stage, early=early)
            if first:
                first(last)
            reasons = (why,) if isinstance(why, str) else tuple(why)
            known = dict(evidence) if evidence is not None else None
            return self._write(
                Entry(
                    time=now,
                    by=by,
                    why=reasons,
                    move=move,
                    before=last.status,
                    stage_before=last.stage,
                    after=after,
                    evidence=known,
                )
            )

    def _settled(self) -> Rollout | None:
        """The rollout as it stands, once what a killed writer has left is taken away; under the lock."""
        for left in self.folder.glob(f".{CURRENT}.*"):
            left.unlink()
        io.cut_half_line(self.folder / HISTORY)
        return self.current()

    def _write(self, entry: Entry) -> Rollout:
        line = json.dumps(entry.model_dump(mode="json"), ensure_ascii=False, allow_nan=False) + "\n"
        with (self.folder / HISTORY).open("ab", buffering=0) as file:
            written = file.write(line.encode())
            if written != len(line.encode()):
                raise RolloutError(f"{self.folder / HISTORY} took {written} bytes of a line; is the disk full?")
            os.fsync(file.fileno())
        io.sync(self.folder)
        io.write_json(self.folder / CURRENT, entry.after.model_dump(mode="json"))
        io.sync(self.folder)
        return entry.after


def rollouts_of(repository: Repository, model: str, lock_seconds: float = LOCK_SECONDS) -> RolloutStore:
    """Of a model in a repository: they lie beside its versions."""
    return RolloutStore(repository.path / model / FOLDER, lock_seconds)


def _require_over(last: Rollout | None) -> None:
    if last and not last.over:
        raise RolloutError(f"{named(last)} is {last.status}; end it before another one starts")


def _read(kind: type[Kept], line: bytes, name: str, folder: Path) -> Kept:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        raise IntegrityError(f"{folder / name}: {first_fault(error)}") from error


def _last_line(file: Path) -> bytes | None:
    """The last whole line, read from the end; None where there is none."""
    try:
        with file.open("rb") as open_file:
            size = at = open_file.seek(0, os.SEEK_END)
            tail = b""
            while at and tail.count(b"\n") < 2:
                at = max(0, size - max(BLOCK, 2 * len(tail)))
                open_file.seek(at)
                tail = open_file.read(size - at)
    except FileNotFoundError:
        return None
    lines = tail.split(b"\n")[:-1]
    return lines[-1] if lines else None
