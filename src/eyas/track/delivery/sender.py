"""The sender's process: `python -m eyas.track.delivery.sender RUN TRACKER`.

It delivers what is in the spool and what comes into it, until its standard input is closed and the spool is empty, or
until a last try fails. Each line on standard output is a JSON object: how long to wait for the next (`patience`), what
stands in the way (`error`), and what the store will never take (`refused`). One without an error is progress.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from math import ceil
from pathlib import Path
from typing import Any, TextIO

from eyas.track.delivery.sink import END, LOCAL, REMOTE, SLOWEST, Sink, one_line
from eyas.track.delivery.spool import Record, Spool
from eyas.track.delivery.to_mlflow import MlflowSink
from eyas.track.delivery.to_wandb import WandbSink

SINKS: dict[str, type[MlflowSink | WandbSink]] = {"mlflow": MlflowSink, "wandb": WandbSink}
POLL_SECONDS = 1.0
LONGEST_PAUSE = 30.0
AT_ONCE = 500
ORPHAN_SECONDS = 15
"""Beyond its patience, after which a sender that its parent did not end does so itself."""


def main(run: Path, tracker: str) -> int:
    """Deliver; the exit status is 0 where all is delivered."""
    parent = os.fdopen(os.dup(1), "w")  # for us alone: a library's prints and children get the log
    os.dup2(2, 1)
    os.nice(5)  # training needs the cores more
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the training, which then ends us
    spool = Spool(run)
    known, closed = len(spool.lines()), False
    while True:  # the sender of a training that was killed may still be at its last words
        with spool.lock(tracker) as ours:
            if ours:
                try:
                    sink = SINKS[tracker](spool)
                except Exception as error:  # noqa: BLE001 - a library that is missing or broken here
                    say(parent, REMOTE, error=one_line(error))
                    return 1
                return Sender(sink, parent, known).run(closed)
        if closed:
            say(parent, REMOTE, error="another process is delivering this run")
            return 1
        closed = wait_for_end(POLL_SECONDS)


def say(parent: TextIO, patience: float, **what: Any) -> None:
    """Tell the parent, which may be gone."""
    with suppress(BrokenPipeError):
        print(json.dumps({"patience": patience, **what}), file=parent, flush=True)


class Sender:
    """Delivers one run to one store until the spool is closed.

    Args:
        sink: the store.
        parent: who hears of it.
        known: lines of the spool when this process began. A continuation behind them has a sender of its own, which
            waits for us to end.
    """

    def __init__(self, sink: Sink, parent: TextIO, known: int) -> None:
        self._sink, self._parent, self._known = sink, parent, known
        self._sent = sink.delivered.lines
        self._connected = self._closed = False

    def run(self, closed: bool = False) -> int:
        """Until the end of standard input and of the spool."""
        pause, failures = 0.0, 0
        self._closed = closed
        self._say()
        while True:
            # Looked at first: what was written before the end is in the spool.
            self._closed = self._closed or wait_for_end(pause)
            try:
                self._pump()
                if self._closed:
                    self._close()
                    return 0
                pause, failures = POLL_SECONDS, 0
            except Exception as error:  # noqa: BLE001 - whatever a library or server does, training must not feel it
                self._say(error=one_line(error))
                if self._closed:
                    return 1
                failures += 1
                pause = min(LONGEST_PAUSE, 2.0**failures)
                self._connected = False

    def _pump(self) -> None:
        """Send all that is there."""
        while records := self._next():
            self._say(records)
            if not self._connected:
                self._sink.connect()
                self._connected, self._sent = True, self._sink.delivered.lines
                continue
            self._sink.send(records)
            self._sent = records[-1][0]
            if self._sink.keeps_at_once:
                self._keep()
            self._say()

    def _next(self) -> list[tuple[int, Record]]:
        """A file alone, which may take long; else all until a file."""
        records = self._sink.spool.records(self._sent)
        ours = takewhile(lambda line: line[0] <= self._known or line[1]["kind"] != "resume", records)
        first = next(ours, None)
        if first is None or "path" in first[1]:
            return [first] if first else []
        return [first, *takewhile(lambda line: "path" not in line[1], ours)][:AT_ONCE]

    def _close(self) -> None:
        if self._connected:
            self._say(self._sink.spool.records(self._sink.delivered.lines))
            self._sink.close()
            self._keep()
        self._say()

    def _say(self, coming: Sequence[tuple[int, Record]] = (), error: str | None = None) -> None:
        """How long the next may take: what is `coming` holds files that need their time."""
        files = [self._sink.spool.run / record["path"] for _, record in coming if "path" in record]
        size = sum(file.stat().st_size for file in files if file.is_file())
        patience = (LOCAL if self._sink.local else REMOTE) + size / SLOWEST
        say(self._parent, patience, error=error, refused=self._sink.refused)
        if self._closed:
            signal.alarm(ceil(patience) + ORPHAN_SECONDS)

    def _keep(self) -> None:
        self._sink.delivered.lines = self._sent
        self._sink.delivered.save()


def wait_for_end(seconds: float) -> bool:
    """Wait so long for `END` or the end of standard input; whether it has come."""
    ready, _, _ = select.select([0], [], [], seconds)
    return bool(ready) and os.read(0, 1024) in (b"", END)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
