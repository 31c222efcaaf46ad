"""A rollout as the watcher judges it: what both arms did, and what that means.

rows ─────► requests, latencies, shares of the arms, disagreement ─┐
labels ───► errors of both arms ───────────────────────────────────┼─► Evidence ─► decide ─► Verdict
/metrics ─► failed requests of the challenger ─────────────────────┘

Labels are read anew from the store when the watcher starts; the rest begins anew then, so that a stage takes longer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import numpy as np

from eyas.evaluate.bootstrap import Interval
from eyas.monitor.sequences import Counts, DifferenceSequence, MeanSequence, PairedSequence, SampleRatio
from eyas.monitor.store import Outcome
from eyas.rollout import ArmEvidence, BurnMeter, Evidence, Rollout, Verdict, decide
from eyas.serve.monitoring.wire import COLUMNS, Rows

TIMED = 2000  # answers of a version whose latencies are remembered
PAIRED = 10_000  # images of a shadow that wait for the other arm's label
Outcomes = Mapping[str, float]
"""Requests of a version by how they ended, as `/metrics` counts them."""
ANSWERED = ("ok", "shadow")
FAILED = ("server_error", "shadow_error")


class Trial:
    """One rollout, from the moment that the watcher hears of it.

    Args:
        rollout: as it stands.
        outcomes: of the challenger, by now.
    """

    def __init__(self, rollout: Rollout, outcomes: Outcomes) -> None:
        self.rollout = rollout
        plan = rollout.plan
        self._errors = BurnMeter(plan.error_budget, plan.windows, plan.least_failures)
        self._slow = BurnMeter(plan.slow_budget, plan.windows, plan.least_failures)
        self._loss: DifferenceSequence | PairedSequence
        self._loss = (
            PairedSequence(plan.alpha) if plan.mode == "shadow" else DifferenceSequence(plan.alpha, (plan.margin,))
        )
        self._disagreement = MeanSequence(plan.alpha)
        self._labelled = [0, 0]
        self._half: dict[str, Outcome] = {}
        self._ended = _ended(outcomes)
        self._ratio: SampleRatio | None = None
        self._drawn = [0, 0]
        self._begin()

    def stands(self, rollout: Rollout) -> None:
        """The rollout has moved on."""
        if rollout.step != self.rollout.step:
            self.rollout = rollout
            self._begin()

    def take(self, rows: Rows, now: float) -> None:
        """Either arm has answered."""
        plan, version = self.rollout.plan, rows.version
        if rows.step != self.rollout.step or version not in (plan.champion, plan.challenger):
            return
        latencies = rows.scores[:, 0]
        self._latencies[rows.version].extend(latencies.tolist())
        self._requests[rows.version] += len(rows)
        if version == plan.challenger and plan.slow_seconds is not None:
            self._slow.add(now, len(rows), int((latencies > plan.slow_seconds).sum()))
        if rows.arm == "shadow":
            self._compare(rows)
        elif self._ratio:
            self._drawn[rows.arm == "challenger"] += rows.drawn

    def met(self, outcomes: Iterable[Outcome]) -> None:
        """Predictions have met their labels."""
        plan = self.rollout.plan
        ones, sizes = [0, 0], [0, 0]
        for one in outcomes:
            if one.version not in (plan.champion, plan.challenger):
                continue
            if isinstance(self._loss, PairedSequence):
                self._pair(one)
                continue
            arm = int(one.version == plan.challenger)
            ones[arm] += not one.correct
            sizes[arm] += 1
        if isinstance(self._loss, DifferenceSequence) and any(sizes):
            self._loss.update(Counts(ones[0], sizes[0]), Counts(ones[1], sizes[1]))
            self._labelled = [old + new for old, new in zip(self._labelled, sizes, strict=True)]

    def judge(self, outcomes: Outcomes, now: float) -> tuple[Verdict, Evidence]:
        """What to do now.

        Args:
            outcomes: of the challenger, by now.
            now: seconds since 1970.
        """
        ended = _ended(outcomes)
        requests, failures = (max(0, new - old) for new, old in zip(ended, self._ended, strict=True))
        self._ended = ended
        self._errors.add(now, requests, failures)
        plan = self.rollout.plan
        if self._ratio and any(self._drawn):
            self._ratio.update(self._drawn)
            self._drawn = [0, 0]
        evidence = Evidence(
            stage=self.rollout.stage,
            since=self.rollout.since,
            champion=self._arm(plan.champion),
            challenger=self._arm(plan.challenger),
            errors=self._errors.burns(now),
            slow=self._slow.burns(now),
            loss=Interval(*self._loss.bounds()),
            labelled=(self._labelled[0], self._labelled[1]),
            ratio_p_value=self._ratio.p_value if self._ratio else 1.0,
            disagreement=Interval(*self._disagreement.bounds()),
            compared=self._disagreement.count,
        )
        return decide(plan, evidence, now), evidence

    def _begin(self) -> None:
        """A stage."""
        plan, share = self.rollout.plan, self.rollout.share
        versions = (plan.champion, plan.challenger)
        self._requests = dict.fromkeys(versions, 0)
        self._latencies: dict[str, deque[float]] = {version: deque(maxlen=TIMED) for version in versions}
        self._drawn = [0, 0]
        if not 0 < share < 1:
            self._ratio = None
        elif self._ratio is None:
            self._ratio = SampleRatio((1 - share, share), plan.ratio_alpha)
        else:
            self._ratio.plan((1 - share, share))

    def _compare(self, rows: Rows) -> None:
        named = rows.numbers[:, COLUMNS:].argmax(axis=1)
        self._disagreement.update(int((named != np.array(rows.champion)).sum()), len(rows))

    def _pair(self, one: Outcome) -> None:
        other = self._half.pop(one.id, None)
        if other is None or other.version == one.version:
            self._half[one.id] = one
            if len(self._half) > PAIRED:
                del self._half[next(iter(self._half))]
            return
        champion, challenger = (one, other) if one.version == self.rollout.plan.champion else (other, one)
        loss = int(champion.correct) - int(challenger.correct)
        if isinstance(self._loss, PairedSequence):
            self._loss.update(int(loss < 0), int(loss == 0), int(loss > 0))
        self._labelled = [count + 1 for count in self._labelled]

    def _arm(self, version: str) -> ArmEvidence:
        latencies = np.array(self._latencies[version])
        if not len(latencies):
            return ArmEvidence(self._requests[version])
        p95, p99 = np.quantile(latencies, (0.95, 0.99)).tolist()
        return ArmEvidence(self._requests[version], p95, p99)


def _ended(outcomes: Outcomes) -> tuple[int, int]:
    """Requests that ended by the version's own doing, and those that failed."""
    failed = sum(outcomes.get(name, 0.0) for name in FAILED)
    return int(failed + sum(outcomes.get(name, 0.0) for name in ANSWERED)), int(failed)
