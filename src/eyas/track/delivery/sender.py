"""The sender's process: `python -m eyas.track.delivery.sender RUN TRACKER`.

It delivers what is in the spool and what comes into it, until its standard input is closed and the spool is empty, or
until a last try fails. Each line on standard output is a JSON object: how long to wait for the next (`patience`), how
many lines are delivered, what stands in the way (`error`), and what the store will never take (`refused`).
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from eyas.track.delivery.sink import ANSWERING, END, LOCAL, REMOTE, Sink, one_line
from eyas.track.delivery.spool import Spool
from eyas.track.delivery.to_mlflow import MlflowSink
from eyas.track.delivery.to_wandb import WandbSink

SINKS: dict[str, Callable[[Spool], Sink]] = {"mlflow": MlflowSink, "wandb": WandbSink}
POLL_SECONDS = 1.0
LONGEST_PAUSE = 30.0
AT_ONCE = 500


def main(run: Path, tracker: str) -> int:
    """Deliver; the exit status is 0 where all is delivered."""
    parent = os.fdopen(os.dup(1), "w")  # for us alone: a library's prints and children get the log
    os.dup2(2, 1)
    os.nice(5)  # training needs the cores more
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the training, which then ends us
    spool = Spool(run)
    with spool.lock(tracker) as ours:
        if not ours:
            say(parent, REMOTE, error="another process is delivering this run")
            return 1
        try:
            sink = SINKS[tracker](spool)
        except Exception as error:  # noqa: BLE001 - a library that is missing or broken here
            say(parent, REMOTE, error=one_line(error))
            return 1
        return Sender(sink, parent).run()


def say(parent: TextIO, patience: float, **what: Any) -> None:
    """Tell the parent, which may be gone."""
    with suppress(BrokenPipeError):
        print(json.dumps({"patience": patience, **what}), file=parent, flush=True)


class Sender:
    """Delivers one run to one store until the spool is closed."""

    def __init__(self, sink: Sink, parent: TextIO) -> None:
        self._sink, self._parent = sink, parent
        self._sent = sink.delivered.lines
        self._connected = False

    def run(self) -> int:
        """Until the end of standard input and of the spool."""
        pause, failures = 0.0, 0
        self._say(REMOTE)
        while True:
            closed = wait_for_end(pause)  # looked at first: what was written before the end is in the spool
            try:
                self._pump()
                if closed:
                    self._close()
                    return 0
                pause, failures = POLL_SECONDS, 0
            except Exception as error:  # noqa: BLE001 - whatever a library or server does, training must not feel it
                self._say(REMOTE, one_line(error))
                if closed:
                    return 1
                failures += 1
                pause = min(LONGEST_PAUSE, 2.0**failures)
                self._connected = False

    def _pump(self) -> None:
        """Send all that is there."""
        while records := self._sink.spool.records(self._sent)[:AT_ONCE]:
            if not self._connected:
                self._sink.connect()
                self._connected, self._sent = True, self._sink.delivered.lines
                continue
            self._sink.send(records)
            self._sent = records[-1][0]
            if self._sink.keeps_at_once:
                self._keep()
            self._say(ANSWERING)

    def _close(self) -> None:
        if self._connected:
            self._sink.close()
            self._keep()
        self._say(ANSWERING)

    def _say(self, patience: float, error: str | None = None) -> None:
        sink = self._sink
        patience = LOCAL if sink.local else patience
        say(self._parent, patience, delivered=sink.delivered.lines, error=error, refused=sink.refused)

    def _keep(self) -> None:
        self._sink.delivered.lines = self._sent
        self._sink.delivered.save()


def wait_for_end(seconds: float) -> bool:
    """Wait so long for `END` or the end of standard input; whether it has come."""
    ready, _, _ = select.select([0], [], [], seconds)
    return bool(ready) and os.read(0, 1024) in (b"", END)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
