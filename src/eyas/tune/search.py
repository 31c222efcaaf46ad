"""The search: one coordinator hands out trials, hears how they go, and decides what is trained next.

free process ─► a trial that is due to go on ─► else the baseline ─► else a new configuration of the sampler
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Protocol

from eyas.compare.telling import UP
from eyas.core.errors import ConfigError, TrainingError
from eyas.track.describe import Family
from eyas.train.loop import ctrl_c
from eyas.tune.executors import Ended, EpochDone, Event, Executor, Failed, Lost, TrialJob
from eyas.tune.inheriting import giver
from eyas.tune.ledger import Ledger
from eyas.tune.plan import TunePlan
from eyas.tune.points import point_of
from eyas.tune.records import TrialRecord, best_of, continued, cut_short, standings
from eyas.tune.rungs import leader, promotion

HOPELESS = 5
"""Trials that fail from the first on, after which the search stops."""
MOST_DEATHS = 2
MOST_MACHINES = 8
"""That a trial may lose; a machine seldom dies of what it trains."""
LISTEN_SECONDS = 0.25


@dataclass(frozen=True)
class Progress:
    """How the search stands, for whoever watches."""

    plan: TunePlan
    records: Sequence[TrialRecord]
    running: Sequence[TrialRecord]
    """Those that are trained from here now."""
    latest: dict[int, tuple[int, float]]
    """Trial → its last epoch and the value of its kept weights."""
    seconds: float
    """Of searching so far."""

    @property
    def best(self) -> TrialRecord | None:
        """So far."""
        return best_of(self.records, rising=self.plan.rising)

    @property
    def configurations(self) -> int:
        """Tried or under way, the baseline among them."""
        return sum(one.continues is None and one.state != "withdrawn" for one in self.records)

    @property
    def eta(self) -> float | None:
        """Seconds to go: what the time budget leaves, or the mean pace so far for the configurations that are left."""
        left = [60 * self.plan.minutes - self.seconds] if self.plan.minutes is not None else []
        done = self.configurations - sum(one.continues is None for one in self.running)
        if self.plan.trials is not None and done > 0:
            left.append(self.seconds / done * (self.plan.trials - done))
        return max(0.0, min(left)) if left else None


class Watcher(Protocol):
    """Shown how the search goes."""

    def show(self, progress: Progress) -> None:
        """Now and then."""
        ...

    def ended(self, record: TrialRecord, progress: Progress) -> None:
        """A trial is done or has failed."""
        ...


@dataclass
class Search:
    """One machine's part of a study."""

    plan: TunePlan
    ledger: Ledger
    executor: Executor
    folder: Path
    watcher: Watcher
    _running: dict[int, TrialRecord] = field(default_factory=dict)
    _latest: dict[int, tuple[int, float]] = field(default_factory=dict)

    def run(self) -> bool:
        """Search until the budget is used up.

        Returns:
            False where Ctrl-C stopped it: what ran goes on from its checkpoint another time.

        Raises:
            TrainingError: every trial fails, for the cause that most of them have.
        """
        self._before = self.ledger.seconds()
        self._began = monotonic()
        try:
            self._recover()
            with ctrl_c() as interrupted:  # noted, and looked at here: it must not break into the storage's work
                while not (interrupted() or self._time_is_up()):
                    self._refuse_hopeless()
                    self._hand_out()
                    if not self._running:
                        break
                    self._hear(self.executor.events(LISTEN_SECONDS))
                if interrupted():
                    self._hear(self.executor.stop(), stopping=True)
                    return False
                self._end_what_runs()
        finally:
            self.ledger.spend(self._seconds())
        self._refuse_hopeless(at_the_end=True)
        return True

    def _recover(self) -> None:
        """Give out again what was running here when the process before this one ended."""
        for record in self.ledger.records():
            if record.state != "running":
                continue
            if record.owner == self.plan.owner and record.run is not None:
                self._latest |= {record.number: list(record.curve.items())[-1]} if record.curve else {}
                self._running[record.number] = record
            elif record.owner == self.plan.owner or (record.owner is None and self.plan.storage is None):
                self.ledger.fail(record.number, "the search ended before it was given out", withdrawn=True)
        self._waiting = list(self._running.values())

    def _hand_out(self) -> None:
        while self.executor.free > 0:
            if self._waiting:
                record: TrialRecord | None = self._waiting.pop(0)
            else:
                record = self._next()
            if record is None:
                return
            self._running[record.number] = record
            self._submit(record)

    def _submit(self, record: TrialRecord) -> None:
        try:
            job = self._job(record)
        except ConfigError as error:  # two values that the schema does not take together
            self._over(self.ledger.fail(record.number, str(error)))
            return
        self.executor.submit(job)

    def _next(self) -> TrialRecord | None:
        records, plan, ledger = self.ledger.records(), self.plan, self.ledger
        if not any(one.baseline and one.state != "withdrawn" for one in records):
            values, _ = point_of(plan.base(), plan.space)
            made = ledger.begin(values, baseline=True, rung=len(plan.rungs) - 1)
            return made if ledger.unless_late(made, lambda one: one.baseline, 1) else self._next()
        if cut := cut_short(records, plan.owner):
            return self._go_on_with(cut[0], cut[0].rung)
        ranked, promoted = standings(records, plan.owner), continued(records)
        due = promotion(ranked, promoted, len(plan.rungs), rising=plan.rising)
        if due is None and self._wants_more(records):
            made = ledger.ask(rung=0)
            return made if ledger.unless_late(made, lambda one: one.continues is None, plan.trials) else self._next()
        if due is None and not self._running:
            due = leader(ranked, promoted, len(plan.rungs), rising=plan.rising)
        if due is None:
            return None
        before = ledger.record(due)
        return self._go_on_with(before, before.rung + 1)

    def _wants_more(self, records: Sequence[TrialRecord]) -> bool:
        new = sum(one.continues is None and one.state != "withdrawn" for one in records)
        return self.plan.trials is None or new < self.plan.trials

    def _go_on_with(self, before: TrialRecord, rung: int) -> TrialRecord:
        """A trial that continues another of this machine's: nobody else goes on with it."""
        same = {"baseline": True} if before.baseline else {}
        return self.ledger.begin(before.params, continues=before.number, rung=rung, run=before.run, **same)

    def _job(self, record: TrialRecord) -> TrialJob:
        run, runs = str(record.run), Path("runs")
        config = self.plan.baseline_config(runs, run) if record.baseline else self.plan.config(record.params, runs, run)
        after = 0 if record.continues is None else self.ledger.record(record.continues).epochs
        tags = {"eyas.study": self.folder.name, "eyas.trial": str(record.number)}
        from_run = None
        if self.plan.inherit and record.continues is None and not record.baseline:
            from_run = giver(record, self.ledger.records(), rising=self.plan.rising)
        return TrialJob(
            number=record.number,
            run=run,
            config=config,
            until=self.plan.rungs[record.rung],
            after=after,
            metric=self.plan.metric,
            rising=self.plan.rising,
            family=Family(run, UP, self.folder.name, tags),
            start_from=from_run,
        )

    def _hear(self, events: Sequence[Event], *, stopping: bool = False) -> None:
        """Take in what has happened. While the search stops, what was stopped stays open: it goes on another time."""
        for event in events:
            record = self._running.get(event.number)
            if record is None:
                continue
            match event:
                case EpochDone():
                    self._report(record, event.epoch, event.value)
                case Ended(stopped=True) if stopping:
                    pass
                case Ended():
                    self._tell(record, event)
                case Failed():
                    self._over(self.ledger.fail(record.number, event.cause, whole=False))
                case Lost() if not stopping:
                    self._lost(record, event)
        self.watcher.show(self._progress())

    def _report(self, record: TrialRecord, epoch: int, value: float) -> None:
        if epoch > self._latest.get(record.number, (0, 0.0))[0]:  # epochs are trained again after a kill
            self._latest[record.number] = (epoch, value)
            self.ledger.report(record.number, epoch, value)

    def _tell(self, record: TrialRecord, ended: Ended) -> None:
        if ended.value is None and ended.stopped:
            self._over(self.ledger.fail(record.number, "it was stopped before its first epoch", withdrawn=True))
            return
        if ended.value is not None:
            # One that stopped early has finished its rung all the same, and must not count below it.
            self._report(record, ended.epochs if ended.stopped else self.plan.rungs[record.rung], ended.value)
        top = record.rung == len(self.plan.rungs) - 1
        # A baseline that lies outside the space has no values there: samplers that model all together must not see it.
        inside = not record.baseline or point_of(self.plan.base(), self.plan.space)[1]
        told = self.ledger.tell(
            record.number,
            ended.value,
            top=top and inside and not ended.stopped,
            epochs=ended.epochs,
            seconds=round(ended.seconds, 4),
            whole=not ended.stopped,
        )
        self._over(told)

    def _lost(self, record: TrialRecord, event: Lost) -> None:
        deaths = self.ledger.record(record.number).deaths + 1
        self.ledger.note(record.number, deaths=deaths)
        if deaths >= (MOST_MACHINES if event.machine else MOST_DEATHS):
            self._over(self.ledger.fail(record.number, f"{event.cause}, {deaths} times", whole=False))
        else:
            self._waiting.append(record)

    def _over(self, record: TrialRecord) -> None:
        self._running.pop(record.number, None)
        self._latest.pop(record.number, None)
        self.ledger.spend(self._seconds())
        self.watcher.ended(record, self._progress())

    def _end_what_runs(self) -> None:
        """The time is up: trials count with what they have reached."""
        if self._running:
            self._hear(self.executor.stop())
        for record in list(self._running.values()):  # nobody trains it now: it was lost, or waited to go on
            epochs, value = self._latest.get(record.number, (0, None))
            self._tell(record, Ended(record.number, epochs, value, record.seconds, stopped=True))

    def _time_is_up(self) -> bool:
        return self.plan.minutes is not None and self._seconds() >= 60 * self.plan.minutes

    def _seconds(self) -> float:
        return self._before + monotonic() - self._began

    def _progress(self) -> Progress:
        running = [one for one in self._running.values() if one not in self._waiting]
        return Progress(self.plan, self.ledger.records(), running, dict(self._latest), self._seconds())

    def _refuse_hopeless(self, *, at_the_end: bool = False) -> None:
        """Stop where nothing but failures has come.

        Raises:
            TrainingError: with the cause that most of them have.
        """
        records = [one for one in self.ledger.records() if one.state not in ("running", "withdrawn", "waiting")]
        tuned = [one for one in records if not one.baseline]
        causes = [str(one.cause) for one in (tuned if at_the_end else records) if one.state == "failed"]
        hopeless = len(causes) == len(tuned) > 0 if at_the_end else len(causes) == len(records) >= HOPELESS
        if hopeless:
            raise TrainingError(_common(causes))


def _common(causes: Sequence[str]) -> str:
    """Causes that differ by nothing but numbers are one."""
    kinds = [re.sub(r"[-+\d.e]*\d", "#", cause) for cause in causes]
    kind, count = Counter(kinds).most_common(1)[0]
    example = causes[kinds.index(kind)]
    return f"all {len(causes)} trials failed, {count} of them alike: {example}"
