"""The supervisor's side of rollouts: what a repository says of them, and what a verdict or an admin makes of them."""

from __future__ import annotations

import logging
from time import time
from typing import Any

from eyas.bundle import Repository
from eyas.rollout import Move, Rollout, RolloutStore, begin, move_by_hand, plan_for, pointing, rollouts_of
from eyas.rollout.plan import percent
from eyas.serve.asking import Ask
from eyas.serve.messages import Decided
from eyas.serve.schemas import AdminMove, AdminRollout
from eyas.serve.split import Split

EYAS = "eyas"
START = "rollout start"
MOVES = {
    "rollout pause": Move.PAUSE,
    "rollout resume": Move.RESUME,
    "rollout advance": Move.ADVANCE,
    "rollout promote": Move.PROMOTE,
    "rollout rollback": Move.ROLL_BACK,
}
log = logging.getLogger("eyas.serve")


class Rollouts:
    """Of a repository.

    Args:
        lock_seconds: how long to wait for another writer, while the supervisor does nothing else.
    """

    def __init__(self, repository: Repository, lock_seconds: float) -> None:
        self._repository, self._lock_seconds = Repository(repository.path, lock_seconds), lock_seconds

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
        first = pointing(self._repository, decided.model, EYAS) if move is Move.PROMOTE else None
        more: dict[str, Any] = {"stage": decided.stage, "evidence": decided.evidence, "first": first}
        self._move(decided.model, rollout, move, *decided.why, **more)

    def asked(self, ask: Ask) -> None:
        """Do what an admin wants.

        Raises:
            ConfigError: a plan that breaks a rule.
            EyasError, OSError: it cannot be done.
        """
        how: dict[str, Any] = {"by": ask.by, "why": ask.why, "lock_seconds": self._lock_seconds}
        if ask.action == START:
            plan = plan_for(self._repository, ask.model, ask.version, ask.plan, strict=True)
            self._tell(ask.model, begin(self._repository, ask.model, plan, **how), ask.why)
        else:
            after = move_by_hand(self._repository, ask.model, MOVES[ask.action], force=ask.force, **how)
            self._tell(ask.model, after, ask.why)

    def state(self, model: str) -> AdminRollout | None:
        """The last rollout of a model; None before the first.

        Raises:
            EyasError, OSError: it cannot be read.
        """
        store = self._store(model)
        rollout = store.current()
        if rollout is None:
            return None
        moves = [
            AdminMove(
                entry.time,
                entry.by,
                list(entry.why),
                entry.move.value,
                entry.after.status.value,
                entry.after.dealt,
                entry.evidence,
            )
            for entry in store.history()
            if entry.after.number == rollout.number
        ]
        plan = rollout.plan.model_dump(mode="json", exclude={"salt"})
        stage = rollout.stage + 1
        return AdminRollout(model, rollout.number, rollout.status.value, stage, rollout.dealt, plan, moves)

    def _end(self, model: str, rollout: Rollout, live: str) -> None:
        """The pointer was moved by somebody else, or by a promotion that was killed half-way."""
        if live == rollout.plan.challenger:
            self._move(model, rollout, Move.PROMOTE, f"{live} is live already")
        else:
            self._move(model, rollout, Move.ABORT, f"{live} was made live in place of {rollout.plan.champion}")

    def _move(self, model: str, rollout: Rollout, move: Move, *why: str, **more: Any) -> None:
        after = self._store(model).move(move, by=EYAS, why=why, now=time(), expected=rollout.step, early=True, **more)
        self._tell(model, after, *why)

    def _tell(self, model: str, after: Rollout, *why: str) -> None:
        at = f" at {percent(after.dealt)}" if not after.over else ""
        log.warning(f"{model}: the rollout of {after.plan.challenger} is {after.status}{at}: {'; '.join(why)}")

    def _store(self, model: str) -> RolloutStore:
        return rollouts_of(self._repository, model, self._lock_seconds)
