"""What people do to rollouts, by command and by HTTP alike.

A promotion moves the live pointer and then ends the rollout, while no other move can come between: one that is killed
half-way is ended by the next look of the service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import time
from typing import Any

from eyas.bundle import Repository
from eyas.bundle.folder import read_manifest
from eyas.core.errors import ConfigError, RolloutError
from eyas.rollout.gate import GateReport
from eyas.rollout.moves import Move, Rollout, named
from eyas.rollout.plan import RolloutPlan, make_plan
from eyas.rollout.state import LOCK_SECONDS, RolloutStore, rollouts_of
from eyas.rollout.verdict import no_worse

ELSEWHERE = ("champion", "challenger", "gated", "salt")
"""Keys of a plan that nobody gives: two are versions, one is said by the gate, one drawn anew."""
FORCED = "forced, though nothing shows that it is no worse"


def plan_for(repository: Repository, model: str, challenger: str, values: Mapping[str, Any], **how: Any) -> RolloutPlan:
    """The plan by which a published version would take over from the live one.

    Args:
        values: the other keys of the plan.
        how: as `make_plan` has it.

    Raises:
        ConfigError: values that break a rule.
        RolloutError: nothing is live, or this version is, or the two have other classes.
        BundleError: there is no such model or version, or its manifest is damaged. No other file is read: who serves
            it, or asks the gate, checks them all.
    """
    if given := [name for name in ELSEWHERE if name in values]:
        raise ConfigError(
            f"{given[0]} of a rollout must be left out: it follows from what is live and the gate, or is drawn anew"
        )
    live = repository.live(model)
    if live is None:
        raise RolloutError(f"{model} has no live version that {challenger} could be compared with; eyas models live")
    if live.version == challenger:
        raise RolloutError(f"{model} {challenger} is live already; what takes over must be another version")
    plan = make_plan({**values, "champion": live.version, "challenger": challenger}, **how)
    champion, other = (read_manifest(repository.folder(model, name)).classes for name in (live.version, challenger))
    if champion != other:
        raise RolloutError(
            f"{challenger} must have the classes of {plan.champion}, in their order: labels are told by them"
        )
    return plan


def begin(
    repository: Repository,
    model: str,
    plan: RolloutPlan,
    *,
    by: str,
    why: str,
    judged: Callable[[], GateReport] | None = None,
    lock_seconds: float = LOCK_SECONDS,
) -> Rollout:
    """Start a rollout.

    Args:
        plan: by `plan_for`.
        by: who.
        why: in words.
        judged: asks the gate, once it is known that a rollout could start; None: it starts ungated.
        lock_seconds: how long to wait for another writer.

    Raises:
        RolloutError: another one is not over, or the gate does not let it through.
    """
    store = rollouts_of(repository, model, lock_seconds)
    store.require_over()
    gate = judged() if judged else None
    return store.start(plan, by=by, why=why or "started", now=time(), gate=gate)


def move_by_hand(
    repository: Repository,
    model: str,
    move: Move,
    *,
    by: str,
    why: str,
    force: bool = False,
    gate: GateReport | None = None,
    lock_seconds: float = LOCK_SECONDS,
) -> Rollout:
    """Make a move that somebody asks for.

    Args:
        by: who.
        why: in words.
        force: promote it whatever is known of it.
        gate: what the gate says now, for a promotion.
        lock_seconds: how long to wait for another writer.

    Raises:
        BundleError: there is no such model.
        RolloutError: the move does not lead on from where the rollout stands; or it was started ungated, and nothing
            shows that the challenger is no worse.
    """
    store = rollouts_of(repository, model, lock_seconds)
    repository.versions(model)  # says what there is where there is no such model
    reasons: tuple[str, ...] = (why or "by hand",)
    rollout = store.current()
    if rollout is None or rollout.over or move is not Move.PROMOTE:
        return store.move(move, by=by, why=reasons, now=time())
    try:
        _require_no_worse(store, rollout, gate)
    except RolloutError:
        if not force:
            raise
        reasons = (*reasons, FORCED)
    return store.move(
        move,
        by=by,
        why=reasons,
        now=time(),
        evidence={"gate": gate.to_json()} if gate else None,
        expected=rollout.step,
        early=True,
        first=pointing(repository, model, by),
    )


def pointing(repository: Repository, model: str, by: str) -> Callable[[Rollout], object]:
    """Makes a rollout's challenger live: what comes first in a promotion."""
    return lambda rollout: repository.set_live(model, rollout.plan.challenger, by)


def _require_no_worse(store: RolloutStore, rollout: Rollout, gate: GateReport | None) -> None:
    plan = rollout.plan
    if gate is not None:
        gate.require_passed(plan.challenger)
    elif not plan.gated and not _shown(store, rollout):
        raise RolloutError(
            f"{named(rollout)} was started without the gate, and nothing shows yet that {plan.challenger} is no worse: "
            "it is promoted once labels do, where the gate passes on the images that --data names, or by --force"
        )


def _shown(store: RolloutStore, rollout: Rollout) -> bool:
    """Whether any of the service's verdicts knew so; its bounds hold at every look."""
    known = [entry.evidence for entry in store.history() if entry.evidence and entry.after.number == rollout.number]
    return any(
        no_worse(rollout.plan, one["loss"][1], one["disagreement"][1])
        for one in known
        if {"loss", "disagreement"} <= {*one}
    )
