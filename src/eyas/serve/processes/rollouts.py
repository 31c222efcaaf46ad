"""The supervisor's side of rollouts: what a repository says of them, and what a verdict makes of them.

A promotion first moves the live pointer, then ends the rollout: killed in between, the next look ends it.
"""

from __future__ import annotations

import logging
from time import time

from eyas.bundle import Repository
from eyas.core.errors import RolloutError
from eyas.rollout import Move, Rollout, RolloutStore, rollouts_of
from eyas.serve.processes.messages import Decided
from eyas.serve.split import Split

EYAS = "eyas"
log = logging.getLogger("eyas.serve")


class Rollouts:
    """Of a repository."""

    def __init__(self, repository: Repository, lock_seconds: float) -> None:
        self._repository, self._lock_seconds = repository, lock_seconds

    def split(self, model: str, live: str) -> Split | None:
        """How the requests of a model are to be dealt out now, while `live` is its live version.

        Raises:
            EyasError, OSError: the rollout cannot be read.
        """
        rollout = self._store(model).current()
        if rollout is None or rollout.over:
            return None
        plan = rollout.plan
        if plan.champion != live:
            self._end(model, rollout, live)
            return None
        return Split(rollout.number, rollout.step, plan.challenger, rollout.share, rollout.shadow_share, plan.salt)

    def refused(self, model: str, version: str, reason: str) -> None:
        """A version cannot be served: where it is a challenger, its rollout is over."""
        rollout = self._store(model).current()
        if rollout and not rollout.over and rollout.plan.challenger == version:
            self._move(model, rollout, Move.ROLL_BACK, f"it is refused: {reason}")

    def decided(self, decided: Decided) -> None:
        """Do what a verdict asks for, unless the rollout has moved since."""
        rollout = self._store(decided.model).current()
        if rollout is None or rollout.over or (rollout.number, rollout.step) != (decided.number, decided.step):
            return
        move = Move(decided.action)
        if move is Move.PROMOTE:
            self._repository.set_live(decided.model, rollout.plan.challenger, EYAS)
        try:
            self._move(decided.model, rollout, move, *decided.why, stage=decided.stage, evidence=decided.evidence)
        except RolloutError:  # somebody was faster: his word holds
            if move is Move.PROMOTE:
                self._repository.set_live(decided.model, rollout.plan.champion, EYAS)
            raise

    def _end(self, model: str, rollout: Rollout, live: str) -> None:
        """The pointer was moved by somebody else, or by a promotion that was killed half-way."""
        if live == rollout.plan.challenger:
            self._move(model, rollout, Move.PROMOTE, f"{live} is live already")
        else:
            self._move(model, rollout, Move.ABORT, f"{live} was made live in place of {rollout.plan.champion}")

    def _move(self, model: str, rollout: Rollout, move: Move, *why: str, **more: object) -> None:
        after = self._store(model).move(
            move,
            by=EYAS,
            why=why,
            now=time(),
            expected=rollout.step,
            early=True,
            **more,  # type: ignore[arg-type]
        )
        at = f" at {after.plan.stages[after.stage]:.0%}" if not after.over else ""
        log.warning(f"{model}: the rollout of {rollout.plan.challenger} is {after.status}{at}: {'; '.join(why)}")

    def _store(self, model: str) -> RolloutStore:
        return rollouts_of(self._repository, model, self._lock_seconds)
