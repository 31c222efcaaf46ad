"""A run's records, kept in the run folder until every tracker has them.

`RUN/track/records.jsonl` is only ever appended to, one JSON object a line:

start, resume   what the run is (see `eyas.track.describe`), and the trackers that want it
metrics         values at an epoch (`axis` epoch) or a step of the whole run (`axis` step)
evaluation      a split's measures by `eyas evaluate`
file, picture   a path inside the run folder
end             FINISHED, or KILLED where Ctrl-C stopped it

`RUN/track/<tracker>.json` says how many of the lines each store has. Its only writer holds the tracker's lock.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eyas.core import io
from eyas.core.locks import try_hold

Record = dict[str, Any]


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Spool:
    """The records of one run."""

    def __init__(self, run: Path) -> None:
        self.run = run.absolute()
        self.folder = self.run / "track"
        self.file = self.folder / "records.jsonl"
        self._torn: bool | None = None

    def append(self, *records: Record) -> None:
        """Write the records, each with the time where it has none, as whole lines in one write."""
        lines = [json.dumps({"time": now(), **record}, ensure_ascii=False, allow_nan=False) for record in records]
        self.folder.mkdir(exist_ok=True)
        if self._torn is None:  # a kill may have cut the last line of the writer before
            self._torn = self.file.exists() and not self.file.read_bytes().endswith(b"\n")
        text = ("\n" if self._torn else "") + "\n".join(lines) + "\n"
        with self.file.open("ab") as file:
            file.write(text.encode())
        self._torn = False

    def lines(self) -> list[bytes]:
        """All whole lines."""
        return self.file.read_bytes().split(b"\n")[:-1] if self.file.exists() else []

    def records(self, after: int = 0) -> list[tuple[int, Record]]:
        """The records behind the first `after` lines, each with the number of its line, from 1."""
        return [
            (number, record)
            for number, line in enumerate(self.lines()[after:], start=after + 1)
            if (record := _parse(line)) is not None
        ]

    def start(self) -> Record:
        """What the run is: the record that opened the spool, or nothing."""
        return next((record for _, record in self.records() if "key" in record), {})

    def trackers(self) -> list[str]:
        """Every tracker that a start or a continuation of this run named."""
        return sorted({name for _, record in self.records() for name in record.get("trackers", ())})

    def parent(self) -> Spool | None:
        """The spool of the study that this run belongs to, where it has one that is still there."""
        above = self.start().get("parent")
        found = Spool((self.run / above).resolve()) if above else None
        return found if found and found.start() else None

    @contextmanager
    def family_lock(self, tracker: str) -> Iterator[None]:
        """Wait to be the only one of a study's runs that looks for, or makes, what they share in a store."""
        folder = (self.parent() or self).folder
        with (folder / f"{tracker}-family.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def lock(self, tracker: str) -> Iterator[bool]:
        """Be the only one who delivers to this tracker; False where another process does already."""
        with (self.folder / f"{tracker}.lock").open("a") as file:
            yield try_hold(file)


class Delivered:
    """What one store of a tracker has: the run's id there, and how many lines."""

    def __init__(self, spool: Spool, tracker: str, store: str) -> None:
        self._file = spool.folder / f"{tracker}.json"
        self._store = store
        entry = self._read().get(store, {})
        self.run_id: str | None = entry.get("run_id")
        self.lines: int = entry.get("lines", 0)

    def save(self) -> None:
        """Write it beside what other stores have."""
        io.write_json(self._file, {**self._read(), self._store: {"run_id": self.run_id, "lines": self.lines}})

    def _read(self) -> dict[str, Any]:
        return io.read_json(self._file) if self._file.exists() else {}


def _parse(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:  # cut by a kill
        return None
    return record if isinstance(record, dict) else None
