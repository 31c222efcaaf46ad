"""The moves of rollouts, whoever made them: read from the histories that lie beside the versions."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

from eyas.core.errors import EyasError
from eyas.core.moments import iso
from eyas.rollout import Entry, Move, RolloutStore
from eyas.rollout.plan import percent
from eyas.rollout.state import FOLDER, HISTORY
from eyas.serve.alerts.events import Event, event
from eyas.serve.alerts.memory import Memory
from eyas.serve.messages import Table

LOOK_SECONDS = 1.0
TAKEN_BACK = (Move.ROLL_BACK, Move.ABORT)
SAID = {
    Move.START: "has begun",
    Move.ADVANCE: "goes on",
    Move.PAUSE: "is paused",
    Move.RESUME: "goes on after a pause",
    Move.PROMOTE: "is promoted",
    Move.ROLL_BACK: "is rolled back",
    Move.ABORT: "is aborted",
}
log = logging.getLogger("eyas.serve")


class Moves:
    """Of all models of a repository.

    Args:
        service: host and port.
        memory: of what was told; kept up to date here.
        since: moves before are no news, where nothing is remembered of a model: seconds since 1970.
    """

    def __init__(self, service: str, memory: Memory, since: float) -> None:
        self._service, self._memory, self._since = service, memory, since
        self._read: dict[Path, tuple[int, int]] = {}  # when it was changed, and its size, as it was last read
        self._look_at = 0.0

    def look(self, table: Table) -> Iterator[Event]:
        """What has moved since the last look.

        Args:
            table: what is served.
        """
        if monotonic() < self._look_at:
            return
        self._look_at = monotonic() + LOOK_SECONDS
        for served in table:
            version = served.versions[0]
            if version.stamp:  # a bundle that is served alone has none, and no rollouts
                yield from self._moves(served.model, Path(version.path).parent / FOLDER)

    def _moves(self, model: str, folder: Path) -> Iterator[Event]:
        try:
            stat = (folder / HISTORY).stat()
            now = stat.st_mtime_ns, stat.st_size
            if self._read.get(folder) == now:
                return
            self._read[folder] = now
            entries = RolloutStore(folder).history()
        except FileNotFoundError:
            self._memory.moves.setdefault(model, 0)
            return
        except (EyasError, OSError) as error:
            log.warning(f"{model}: the moves of its rollouts cannot be told: {error}")
            return
        last = entries[-1].after.step if entries else 0
        told = self._memory.moves.get(model)
        if told is None:
            told = max((one.after.step for one in entries if one.time < self._since), default=0)
        if told > last:  # it was begun anew
            told = 0
        self._memory.moves[model] = last
        for entry in entries[told:]:
            yield self._told(model, entry)

    def _told(self, model: str, entry: Entry) -> Event:
        after, plan = entry.after, entry.after.plan
        at = "" if after.over else f" at {percent(after.dealt)} ({plan.mode})"
        summary = f"{model}: the rollout of {plan.challenger} {SAID[entry.move]}{at}: {'; '.join(entry.why)}"
        details = {
            "kind": entry.move.value,
            "by": entry.by,
            "why": [*entry.why],
            "champion": plan.champion,
            "challenger": plan.challenger,
            "mode": plan.mode,
            "status": after.status.value,
            "stage": after.stage + 1,
            "stages": len(plan.stages),
            "share": after.dealt,
        }
        return event(
            "rollout",
            self._service,
            (model, plan.challenger),
            summary,
            details,
            time=iso(entry.time),
            severity="ticket" if entry.move in TAKEN_BACK else "info",
            key=f"{after.step} {entry.time}",
        )
