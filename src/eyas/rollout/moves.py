"""What a rollout is at one moment, and which moves lead on from there.

            advance
             ┌──┐
    start ─► running ─ promote ──► promoted
             │    ▲ └─ roll back ► rolled back
           pause  │ └─ abort ────► aborted
             ▼    resume
             paused ─ promote, roll back, abort ─► as above

A paused rollout keeps its share, and nothing goes on by itself. The last three are ends.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from eyas.core.errors import RolloutError
from eyas.core.schema import Section
from eyas.rollout.plan import RolloutPlan, percent


class Status(StrEnum):
    """Where a rollout stands."""

    RUNNING = "running"
    PAUSED = "paused"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    ABORTED = "aborted"


class Move(StrEnum):
    """What can be done to it."""

    START = "start"
    ADVANCE = "advance"
    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ROLL_BACK = "roll back"
    ABORT = "abort"


LEADS_TO = {
    Move.ADVANCE: Status.RUNNING,
    Move.PAUSE: Status.PAUSED,
    Move.RESUME: Status.RUNNING,
    Move.PROMOTE: Status.PROMOTED,
    Move.ROLL_BACK: Status.ROLLED_BACK,
    Move.ABORT: Status.ABORTED,
}
ENDING = (Move.PROMOTE, Move.ROLL_BACK, Move.ABORT)
LEGAL: dict[Status, tuple[Move, ...]] = {
    Status.RUNNING: (Move.ADVANCE, Move.PAUSE, *ENDING),
    Status.PAUSED: (Move.RESUME, *ENDING),
    Status.PROMOTED: (),
    Status.ROLLED_BACK: (),
    Status.ABORTED: (),
}


class Rollout(Section):
    """A rollout as it stands."""

    number: PositiveInt
    """Of the rollout, from 1."""
    step: PositiveInt
    """Of the move that led here, counted over all rollouts of the folder."""
    plan: RolloutPlan
    status: Status
    stage: NonNegativeInt
    """The index of the present stage; of an ended one, of its last."""
    since: Annotated[float, Field(allow_inf_nan=False)]
    """When this stage began, or went on after a pause: seconds since 1970."""

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return not LEGAL[self.status]

    @property
    def share(self) -> float:
        """Of the requests that the challenger answers; a shadow answers none."""
        if self.over:
            return float(self.status is Status.PROMOTED and self.plan.mode != "shadow")
        return 0.0 if self.plan.mode == "shadow" else self.plan.stages[self.stage]

    @property
    def shadow_share(self) -> float:
        """Of the requests that the challenger is asked as well, its answers unseen."""
        return 0.0 if self.over or self.plan.mode != "shadow" else self.plan.stages[self.stage]

    @property
    def dealt(self) -> float:
        """Of the requests that the challenger gets, its answers seen or not."""
        return self.share or self.shadow_share


def moved(rollout: Rollout, move: Move, now: float, stage: int | None = None, *, early: bool = False) -> Rollout:
    """The rollout after a move.

    Args:
        rollout: as it stands.
        move: any but `START`.
        now: seconds since 1970.
        stage: to advance to; the next one where None. Stages may be passed over.
        early: promote it though it has not reached its last stage.

    Raises:
        RolloutError: a move that does not lead on from here.
    """
    status = rollout.status
    if move not in LEGAL[status]:
        legal = ", ".join(LEGAL[status])
        rule = f"from there it can {legal}" if legal else "that is its end; start another one"
        raise RolloutError(f"{named(rollout)} is {status} and cannot {move}: {rule}")
    if stage is not None and move is not Move.ADVANCE:
        raise RolloutError(f"only advance leads to a stage, got {move} to {stage}")
    at, last = rollout.stage, rollout.plan.last_stage
    if move is Move.PROMOTE and at < last and not early:
        raise RolloutError(
            f"{named(rollout)} is at stage {at + 1} of {last + 1} ({percent(rollout.plan.stages[at])}) and is promoted "
            "from the last one only, unless this is meant to be early"
        )
    if move is Move.ADVANCE:
        target = at + 1 if stage is None else stage
        if not at < target <= last:
            raise RolloutError(
                f"{named(rollout)} is at stage {at + 1} of {last + 1} and advances to a later one, got {target + 1}"
            )
        at = target
    since = now if move in (Move.ADVANCE, Move.RESUME) else rollout.since
    changes = {"status": LEADS_TO[move], "stage": at, "since": since, "step": rollout.step + 1}
    return rollout.model_copy(update=changes)


def named(rollout: Rollout) -> str:
    """For messages."""
    return f"rollout {rollout.number} ({rollout.plan.champion} to {rollout.plan.challenger})"
