"""The search on the terminal: a table that is drawn again and again, or a line a trial where there is no terminal."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from eyas.core.console import err, table
from eyas.tune.records import TrialRecord
from eyas.tune.search import Progress

REDRAWS = 4
"""A second, at most."""


class LiveTable(AbstractContextManager["LiveTable"]):
    """Running trials with rung, epoch and value; below them the best so far, how many are done, and the time to go."""

    def __init__(self) -> None:
        self._live = Live(console=err, refresh_per_second=REDRAWS, transient=True) if sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, progress: Progress) -> None:
        """Draw."""
        if self._live:
            self._live.update(drawn(progress))

    def ended(self, record: TrialRecord, progress: Progress) -> None:
        """A line, where there is no table."""
        if not self._live:
            err.print(line(record, progress), markup=False)


def drawn(progress: Progress) -> Group:
    """The table and the line below it."""
    return Group(_running(progress), Text(summary(progress)))


def _running(progress: Progress) -> Table:
    rungs = progress.plan.rungs
    rows = []
    for record in progress.running:
        epoch, value = progress.latest.get(record.number, (0, None))
        shown = "" if value is None else f"{value:.4f}"
        name = "baseline" if record.baseline else str(record.number)
        rows.append(
            (name, f"{record.rung + 1}/{len(rungs)}", f"{epoch}/{rungs[record.rung]}", shown, described(record))
        )
    columns = ("trial", "rung", "epoch", progress.plan.metric, "settings")
    return table(progress.plan.name, columns, rows, cut="settings")


def summary(progress: Progress) -> str:
    """The best so far, how many configurations, and the time to go."""
    best, plan = progress.best, progress.plan
    found = (
        "none yet"
        if best is None
        else f"{best.value:.4f} (trial {best.number}, rung {best.rung + 1}/{len(plan.rungs)})"
    )
    of = "" if plan.trials is None else f"/{plan.trials}"
    eta = "" if progress.eta is None else f"   ETA {clock(progress.eta)}"
    return f"best {plan.metric} {found}   configurations {progress.configurations}{of}{eta}"


def line(record: TrialRecord, progress: Progress) -> str:
    """One trial that is done."""
    name = "baseline" if record.baseline else f"trial {record.number}"
    if record.state == "failed":
        return f"{name} failed: {record.cause}"
    value = "no epoch" if record.value is None else f"{progress.plan.metric} {record.value:.4f}"
    goes_on = "" if record.continues is None else f" (goes on with {record.continues})"
    epochs = f"{record.epochs} epoch{'' if record.epochs == 1 else 's'}"
    place = f"rung {record.rung + 1}/{len(progress.plan.rungs)}, {epochs}"
    return f"{name}{goes_on}: {place}, {value}   |   {summary(progress)}"


def described(record: TrialRecord) -> str:
    """Its settings, by the last part of each key."""
    shown = []
    for key, value in record.params.items():
        text = f"{value:.3g}" if isinstance(value, float) else str(value).replace(" ", "")
        shown.append(f"{key.rpartition('.')[2]}={text}")
    return " ".join(shown)


def clock(seconds: float) -> str:
    """`1:02:03`, or `2:03`."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
