"""What to do next, from what is known: a pure function of plan, evidence and time.

First whatever takes the challenger back, then whatever keeps it where it is; only where there is neither does it go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from eyas.core.errors import DataError
from eyas.rollout.burn import Burn
from eyas.rollout.evidence import ArmEvidence, Evidence
from eyas.rollout.plan import RolloutPlan, percent

LEAST_TIMED = {"p95": 200, "p99": 1000}
"""Requests of an arm below which ten or fewer lie above the quantile, and nothing is said of it."""


class Action(StrEnum):
    """What a verdict asks for."""

    HOLD = "hold"
    ADVANCE = "advance"
    PROMOTE = "promote"
    ROLL_BACK = "roll back"


@dataclass(frozen=True)
class Verdict:
    """What to do, and why."""

    action: Action
    reasons: tuple[str, ...]
    """In words, with figures; at least one."""
    stage: int | None = None
    """To advance to, an index."""


def decide(plan: RolloutPlan, evidence: Evidence, now: float) -> Verdict:
    """Judge a running rollout.

    Args:
        plan: of the rollout.
        evidence: so far.
        now: in seconds, by the clock of `evidence.since`.

    Raises:
        DataError: the evidence is of a stage that the plan has not.
    """
    if not 0 <= evidence.stage <= plan.last_stage:
        raise DataError(f"the stage must lie in [0, {plan.last_stage}], got {evidence.stage}")
    if against := (*_burning(plan, evidence), *_worse(plan, evidence), *_bad_shadow(plan, evidence)):
        return Verdict(Action.ROLL_BACK, against)
    if doubts := (*_ratio(plan, evidence), *_unfinished(plan, evidence, now), *_late(plan, evidence)):
        return Verdict(Action.HOLD, doubts)
    if evidence.stage < plan.last_stage:
        following = evidence.stage + 1
        said = f"{_passed(plan, evidence, now)}; {percent(plan.stages[following])} is next"
        return Verdict(Action.ADVANCE, (said,), following)
    if missing := tuple(_unproved(plan, evidence)):
        return Verdict(Action.HOLD, missing)
    return Verdict(Action.PROMOTE, (f"{_passed(plan, evidence, now)}, the last stage", *_proved(plan, evidence)))


def _burning(plan: RolloutPlan, evidence: Evidence) -> Iterator[str]:
    for burns, budget, what in (
        (evidence.errors, plan.error_budget, "failed"),
        (evidence.slow, plan.slow_budget, "were slow"),
    ):
        for burn in burns:
            if burn.tripped:
                yield _burn_words(burn, budget, what)


def _burn_words(burn: Burn, budget: float, what: str) -> str:
    window = burn.window
    return (
        f"{burn.failures} of the challenger's {burn.requests} requests in {window.long_seconds:g} s {what} "
        f"({percent(burn.failures / burn.requests)}, {burn.long_rate:.3g} times the budget of {percent(budget)}), and "
        f"{burn.short_rate:.3g} times in the last {window.short_seconds:g} s; {window.factor:g} times is too fast"
    )


def _worse(plan: RolloutPlan, evidence: Evidence) -> Iterator[str]:
    if evidence.loss.low >= plan.margin:
        yield (
            f"the challenger's accuracy is lower by more than {percent(evidence.loss.low)}, the margin is "
            f"{percent(plan.margin)} ({_labels(evidence)}, at {percent(1 - plan.alpha)} over all looks)"
        )


def _bad_shadow(plan: RolloutPlan, evidence: Evidence) -> Iterator[str]:
    if plan.mode != "shadow":
        return
    if evidence.disagreement.low > plan.disagreement:
        yield (
            f"the shadow names another class on more than {percent(evidence.disagreement.low)} of the images, the "
            f"bound is {percent(plan.disagreement)} ({evidence.compared} images)"
        )
    yield from _late(plan, evidence)


def _late(plan: RolloutPlan, evidence: Evidence) -> Iterator[str]:
    for name in LEAST_TIMED:
        own, other = _timed(evidence.challenger, name), _timed(evidence.champion, name)
        if own is None:
            continue
        limit = plan.p95_seconds if name == "p95" else plan.p99_seconds
        if limit is not None and own > limit:
            yield f"the challenger's {name} is {_ms(own)}, at most {_ms(limit)} is allowed"
        if other is not None and plan.latency_ratio is not None and own > plan.latency_ratio * other:
            yield (
                f"the challenger's {name} is {_ms(own)}, {own / other if other else float('inf'):.3g} times the "
                f"champion's {_ms(other)}; at most {plan.latency_ratio:g} times is allowed"
            )


def _timed(arm: ArmEvidence, name: str) -> float | None:
    return None if arm.requests < LEAST_TIMED[name] else arm.p95_seconds if name == "p95" else arm.p99_seconds


def _ratio(plan: RolloutPlan, evidence: Evidence) -> Iterator[str]:
    if evidence.ratio_p_value <= plan.ratio_alpha:
        yield (
            f"the arms do not get the shares that were planned (p = {evidence.ratio_p_value:.2g}, {plan.ratio_alpha:g} "
            "is the bar), so what is compared may not be alike: look for requests that are lost or dealt elsewhere"
        )


def _unfinished(plan: RolloutPlan, evidence: Evidence, now: float) -> Iterator[str]:
    share = percent(plan.stages[evidence.stage])
    if evidence.challenger.requests < plan.stage_requests:
        yield f"{evidence.challenger.requests} of at least {plan.stage_requests} requests at {share}"
    if now - evidence.since < plan.stage_seconds:
        yield f"{max(0.0, now - evidence.since):.0f} of at least {plan.stage_seconds:g} s at {share}"


def no_worse(plan: RolloutPlan, loss: float, disagreement: float) -> bool:
    """Whether the challenger is shown to lose no more than the margin: by labels, or since it seldom answers otherwise.

    Args:
        loss: upper bound of what it loses of accuracy.
        disagreement: upper bound of the share of images on which it names another class.
    """
    return min(loss, disagreement) <= plan.margin


def _unproved(plan: RolloutPlan, evidence: Evidence) -> Iterator[str]:
    low, high = evidence.loss
    needs_proof = plan.mode == "ab" or not plan.gated
    if needs_proof and not no_worse(plan, high, evidence.disagreement.high):
        ungated = "; it was started without the gate, so that nothing else can" if not plan.gated else ""
        yield (
            f"labels cannot say yet that the loss of accuracy is below the margin of {percent(plan.margin)}: it may be "
            f"up to {percent(high)}, and down to {percent(low)} ({_labels(evidence)}){ungated}"
        )
    if plan.mode == "shadow" and not evidence.disagreement.high <= plan.disagreement:
        yield (
            f"the shadow may name another class on up to {percent(evidence.disagreement.high)} of the images, the "
            f"bound is {percent(plan.disagreement)} ({evidence.compared} images)"
        )


def _proved(plan: RolloutPlan, evidence: Evidence) -> Iterator[str]:
    if evidence.loss.high <= plan.margin:
        yield (
            f"the loss of accuracy is at most {percent(evidence.loss.high)}, the margin is {percent(plan.margin)} "
            f"({_labels(evidence)})"
        )
    elif any(evidence.labelled):
        yield f"the loss of accuracy may be up to {percent(evidence.loss.high)} ({_labels(evidence)})"
    if plan.mode == "shadow":
        yield (
            f"the shadow names another class on at most {percent(evidence.disagreement.high)} of the images, the bound "
            f"is {percent(plan.disagreement)} ({evidence.compared} images)"
        )


def _passed(plan: RolloutPlan, evidence: Evidence, now: float) -> str:
    return (
        f"{evidence.challenger.requests} requests in {now - evidence.since:.0f} s at "
        f"{percent(plan.stages[evidence.stage])} say nothing against the challenger"
    )


def _labels(evidence: Evidence) -> str:
    champion, challenger = evidence.labelled
    return f"{champion} labels for the champion, {challenger} for the challenger"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.4g} ms"
