"""The rollouts under way, as the watcher follows and judges them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from eyas.monitor.store import Outcome
from eyas.rollout import Action, Evidence, Move, Rollout, RolloutStore, Status, Verdict
from eyas.rollout.state import FOLDER
from eyas.serve.messages import Decided, Served, Table
from eyas.serve.metrics import Tables
from eyas.serve.metrics.families import REQUESTS
from eyas.serve.monitor_status import ArmStatus, RolloutStatus
from eyas.serve.monitoring.trial import Outcomes, Trial
from eyas.serve.monitoring.wire import Rows

AGAIN_SECONDS = 5.0  # a move that the supervisor could not make is asked for again
HELD = 100_000  # labels that wait to be looked at
Attempt = Callable[[str, Callable[[], None]], None]
"""Does what it is given; where that fails, says what has come of it and why, and goes on."""


class Trials:
    """Used by one thread, but for `met`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._trials: dict[str, Trial] = {}
        self._begun: dict[str, float] = {}
        self._met: deque[Outcome] = deque(maxlen=HELD)
        self._decided: dict[str, tuple[int, float]] = {}  # the step at which a verdict was told, and when

    def serve(self, table: Table, attempt: Attempt) -> None:
        """These are served from now on.

        Args:
            attempt: what follows one model; a rollout that cannot be read must not keep the others from it.
        """
        now = {served.model: served for served in table if served.split}
        for model in self._trials.keys() - now.keys():
            del self._trials[model]
        for model, served in now.items():
            attempt(f"the rollout of {model} is not judged", partial(self._follow, model, served))

    def take(self, rows: Rows, now: float) -> None:
        """Predictions have been answered."""
        if trial := self._trials.get(rows.model):
            trial.take(rows, now)

    def met(self, outcomes: Iterable[Outcome]) -> None:
        """Predictions have met their labels; any thread may say so."""
        self._met.extend(outcomes)

    def judge(self, now: float) -> Iterator[tuple[RolloutStatus, Decided | None]]:
        """Each rollout as it stands, and what is to be done that was not told yet."""
        self._look_at_labels()
        outcomes = self._outcomes() if self._trials else {}
        for model, trial in self._trials.items():
            verdict, evidence = trial.judge(outcomes.get((model, trial.rollout.plan.challenger), {}), now)
            yield (
                _status(model, trial.rollout, verdict, evidence),
                self._decide(model, trial, verdict, evidence, now),
            )

    def _follow(self, model: str, served: Served) -> None:
        store = RolloutStore(Path(served.versions[0].path).parent / FOLDER)
        rollout = store.current()
        if rollout is None or rollout.over:
            self._trials.pop(model, None)
            return
        trial = self._trials.get(model)
        if trial and trial.rollout.number == rollout.number:
            trial.stands(rollout)
            return
        starts = [entry.time for entry in store.history() if entry.move is Move.START]
        self._begun[model] = starts[-1]
        self._trials[model] = Trial(rollout, self._outcomes().get((model, rollout.plan.challenger), {}))

    def _look_at_labels(self) -> None:
        by_model: dict[str, list[Outcome]] = defaultdict(list)
        while self._met:
            one = self._met.popleft()
            if one.model in self._trials and one.time >= self._begun[one.model]:
                by_model[one.model].append(one)
        for model, outcomes in by_model.items():
            self._trials[model].met(outcomes)

    def _outcomes(self) -> dict[tuple[str, str], Outcomes]:
        """Of each model and version."""
        found: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
        for series, numbers in self._tables.total().items():
            if series[0] == REQUESTS.name:
                _, model, version, outcome = series
                found[model, version][outcome] = numbers[0]
        return dict(found)

    def _decide(self, model: str, trial: Trial, verdict: Verdict, evidence: Evidence, now: float) -> Decided | None:
        """Once a step; again where nothing has come of it."""
        rollout = trial.rollout
        step, at = self._decided.get(model, (0, 0.0))
        told = step == rollout.step and now - at < AGAIN_SECONDS
        if rollout.status is not Status.RUNNING or verdict.action is Action.HOLD or told:
            return None
        self._decided[model] = rollout.step, now
        action, why, stage = str(verdict.action), verdict.reasons, verdict.stage
        return Decided(model, rollout.number, rollout.step, action, stage, why, evidence.to_json())


def _status(model: str, rollout: Rollout, verdict: Verdict, evidence: Evidence) -> RolloutStatus:
    plan = rollout.plan
    arms = [
        ArmStatus(version, arm.requests, arm.p95_seconds, arm.p99_seconds, labels)
        for version, arm, labels in zip(
            (plan.champion, plan.challenger), (evidence.champion, evidence.challenger), evidence.labelled, strict=True
        )
    ]
    return RolloutStatus(
        model,
        plan.mode,
        rollout.status.value,
        rollout.dealt,
        rollout.stage + 1,
        len(plan.stages),
        arms[0],
        arms[1],
        (evidence.loss.low, evidence.loss.high),
        (evidence.disagreement.low, evidence.disagreement.high),
        verdict.action.value,
        list(verdict.reasons),
    )
