"""Each thing that can be known leads where it should, and says why with its figures."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.core.errors import DataError
from eyas.evaluate import Interval
from eyas.monitor.sequences import Counts, DifferenceSequence, SampleRatio
from eyas.rollout.burn import BurnMeter
from eyas.rollout.evidence import ArmEvidence, Evidence
from eyas.rollout.plan import BurnWindow, RolloutPlan, make_plan
from eyas.rollout.verdict import Action, decide

WINDOW = BurnWindow(long_seconds=60, short_seconds=10, factor=5)
CALM = ArmEvidence(requests=5000, p95_seconds=0.020, p99_seconds=0.040)
START, NOW = 1000.0, 2000.0


def plan_of(mode: str = "canary", **changes: Any) -> RolloutPlan:
    values = {"champion": "3", "challenger": "4", "mode": mode, "gated": True, "salt": "a fixed salt"}
    return make_plan({**values, **changes})


def healthy(plan: RolloutPlan, **changes: Any) -> Evidence:
    """Nothing is missing for the last stage."""
    good = Evidence(
        stage=plan.last_stage,
        since=START,
        champion=CALM,
        challenger=CALM,
        loss=Interval(-0.01, 0.005),
        labelled=(3000, 3000),
        disagreement=Interval(0.01, 0.05),
        compared=4000,
    )
    return replace(good, **changes)


def burning(failures: int, requests: int = 1000) -> Any:
    meter = BurnMeter(0.01, [WINDOW])
    meter.add(NOW, requests, failures)
    return meter.burns(NOW)


MODES = pytest.mark.parametrize("mode", ["shadow", "canary", "ab"])


@MODES
def test_stage_after_stage_and_then_promoted(mode: str) -> None:
    plan = plan_of(mode, stages=(0.1, 0.5))
    first = decide(plan, healthy(plan, stage=0), NOW)
    assert (first.action, first.stage) == (Action.ADVANCE, 1)
    assert first.reasons == ("5000 requests in 1000 s at 10 % say nothing against the challenger; 50 % is next",)
    last = decide(plan, healthy(plan), NOW)
    assert (last.action, last.stage) == (Action.PROMOTE, None)
    assert "the loss of accuracy is at most 0.5 %, the margin is 1 %" in last.reasons[1]


@MODES
@pytest.mark.parametrize("stage", [0, 1])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"errors": burning(52)},
            r"52 of the challenger's 1000 requests in 60 s failed \(5\.2 %, 5\.2 times the budget of 1 %\), and 5\.2 "
            r"times in the last 10 s; 5 times is too fast",
        ),
        ({"slow": burning(60)}, r"60 of the challenger's 1000 requests in 60 s were slow \(6 %"),
        (
            {"loss": Interval(0.012, 0.2)},
            r"accuracy is lower by more than 1\.2 %, the margin is 1 % \(3000 labels for the champion, 3000",
        ),
    ],
)
def test_what_takes_the_challenger_back(mode: str, stage: int, changes: dict[str, Any], said: str) -> None:
    plan = plan_of(mode, stages=(0.1, 0.5))
    verdict = decide(plan, healthy(plan, stage=stage, **changes), START)  # at once, without waiting for the stage
    assert verdict.action is Action.ROLL_BACK
    assert len(verdict.reasons) == 1
    assert re.search(said, verdict.reasons[0])


def test_all_that_speaks_against_it_is_said() -> None:
    plan = plan_of()
    verdict = decide(plan, healthy(plan, errors=burning(60), slow=burning(70), loss=Interval(0.1, 0.2)), NOW)
    assert verdict.action is Action.ROLL_BACK
    assert len(verdict.reasons) == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ratio_p_value": 1e-5}, "the arms do not get the shares that were planned (p = 1e-05, 0.001 is the bar)"),
        ({"challenger": replace(CALM, requests=499)}, "499 of at least 500 requests at 100 %"),
        ({"since": NOW - 599}, "599 of at least 600 s at 100 %"),
        ({"since": NOW + 5}, "0 of at least 600 s at 100 %"),
        (
            {"challenger": replace(CALM, p95_seconds=0.031)},
            "the challenger's p95 is 31 ms, 1.55 times the champion's 20 ms; at most 1.5 times is allowed",
        ),
        ({"challenger": replace(CALM, p99_seconds=0.061)}, "the challenger's p99 is 61 ms, 1.52 times"),
    ],
)
def test_what_keeps_it_where_it_is(changes: dict[str, Any], said: str) -> None:
    plan = plan_of()
    verdict = decide(plan, healthy(plan, **changes), NOW)
    assert verdict.action is Action.HOLD
    assert said in verdict.reasons[0]


def test_absolute_latency_budgets() -> None:
    plan = plan_of(latency_ratio=None, p95_seconds=0.010, p99_seconds=0.050)
    verdict = decide(plan, healthy(plan), NOW)
    assert verdict.reasons == ("the challenger's p95 is 20 ms, at most 10 ms is allowed",)
    few = replace(CALM, requests=199)  # too few to tell
    assert decide(plan_of(p95_seconds=0.01, stage_requests=100), healthy(plan, challenger=few), NOW).action is (
        Action.PROMOTE
    )


def test_a_shadow_is_taken_back_for_what_a_canary_is_held_for() -> None:
    late = replace(CALM, p95_seconds=0.5)
    for mode, action in (("shadow", Action.ROLL_BACK), ("canary", Action.HOLD)):
        plan = plan_of(mode)
        assert decide(plan, healthy(plan, challenger=late), NOW).action is action


def test_a_shadow_that_disagrees() -> None:
    plan = plan_of("shadow")
    verdict = decide(plan, healthy(plan, disagreement=Interval(0.11, 0.3)), NOW)
    assert verdict.action is Action.ROLL_BACK
    assert "names another class on more than 11 % of the images, the bound is 10 % (4000 images)" in verdict.reasons[0]
    verdict = decide(plan, healthy(plan, disagreement=Interval(0.05, 0.12)), NOW)
    assert verdict.action is Action.HOLD
    canary = plan_of("canary")
    assert decide(canary, healthy(canary, disagreement=Interval(0.5, 0.6)), NOW).action is Action.PROMOTE


def test_ab_waits_for_labels_and_a_canary_does_not() -> None:
    for mode, action in (("ab", Action.HOLD), ("canary", Action.PROMOTE)):
        plan = plan_of(mode)
        verdict = decide(plan, healthy(plan, loss=Interval(-1, 1), labelled=(0, 0)), NOW)
        assert verdict.action is action
        verdict = decide(plan, healthy(plan, loss=Interval(-0.02, 0.03)), NOW)
        assert verdict.action is action
        assert "may be up to 3 %" in verdict.reasons[-1]


@MODES
def test_without_the_gate_only_labels_promote(mode: str) -> None:
    plan = plan_of(mode, gated=False)
    unlabelled = {"loss": Interval(-1, 1), "labelled": (0, 0)}
    verdict = decide(plan, healthy(plan, **unlabelled), NOW)
    assert verdict.action is Action.HOLD
    assert "labels cannot say yet that the loss of accuracy is below the margin of 1 %" in verdict.reasons[0]
    assert verdict.reasons[0].endswith("; it was started without the gate, so that nothing else can")
    assert decide(plan, healthy(plan), NOW).action is Action.PROMOTE
    earlier = plan_of(mode, gated=False, stages=(0.1, 0.5))
    assert decide(earlier, healthy(earlier, stage=0, **unlabelled), NOW).action is Action.ADVANCE


def test_a_shadow_that_hardly_ever_disagrees_needs_no_labels() -> None:
    plan = plan_of("shadow", gated=False)
    unlabelled = {"loss": Interval(-1, 1), "labelled": (0, 0)}
    alike = healthy(plan, **unlabelled, disagreement=Interval(0.0, 0.01))
    assert decide(plan, alike, NOW).action is Action.PROMOTE


def test_evidence_of_another_plan_is_refused() -> None:
    plan = plan_of()
    for stage in (-1, 4):
        with pytest.raises(DataError, match=r"the stage must lie in \[0, 3\]"):
            decide(plan, healthy(plan, stage=stage), NOW)


@given(
    mode=st.sampled_from(["shadow", "canary", "ab"]),
    stage=st.integers(0, 1),
    requests=st.integers(0, 3000),
    p95=st.one_of(st.none(), st.floats(0, 1)),
    failures=st.integers(0, 1000),
    ends=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    others=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    ratio=st.floats(0, 1),
    now=st.floats(0, 5000),
)
def test_whatever_is_known_there_is_one_answer(
    mode: str,
    stage: int,
    requests: int,
    p95: float | None,
    failures: int,
    ends: tuple[float, float],
    others: tuple[float, float],
    ratio: float,
    now: float,
) -> None:
    plan = plan_of(mode, stages=(0.1, 0.5))
    evidence = Evidence(
        stage=stage,
        since=START,
        champion=CALM,
        challenger=ArmEvidence(requests, p95, p95),
        errors=burning(failures),
        loss=Interval(*sorted(ends)),
        disagreement=Interval(*sorted(others)),
        ratio_p_value=ratio,
    )
    verdict = decide(plan, evidence, now)
    assert verdict == decide(plan, evidence, now)
    assert verdict.reasons
    assert all(verdict.reasons)
    assert (verdict.stage == stage + 1) is (verdict.action is Action.ADVANCE)
    if verdict.action in (Action.ADVANCE, Action.PROMOTE):
        assert requests >= plan.stage_requests
        assert now - START >= plan.stage_seconds
        assert failures < 50
        assert ratio > plan.ratio_alpha
        assert evidence.loss.low < plan.margin
    if failures >= 50:
        assert verdict.action is Action.ROLL_BACK
    json.dumps(evidence.to_json(), allow_nan=False)


def rolled_out(errors: tuple[float, float], seed: int) -> Action:
    """An A/B rollout of real sequences, looked at every 200 requests."""
    plan = plan_of("ab", stages=(0.5,), stage_seconds=0, margin=0.02)
    rng, loss, ratio = (
        np.random.default_rng(seed),
        DifferenceSequence(plan.alpha, also=(0.02,)),
        SampleRatio((0.5, 0.5)),
    )
    seen = 0
    for _ in range(150):
        count = int(rng.binomial(200, 0.5))
        ones = rng.binomial((200 - count, count), errors).tolist()
        loss.update(Counts(ones[0], 200 - count), Counts(ones[1], count))
        ratio.update((200 - count, count))
        seen += count
        evidence = Evidence(
            0,
            START,
            challenger=ArmEvidence(seen),
            loss=loss.bounds(),
            labelled=(loss.champion.size, loss.challenger.size),
            ratio_p_value=ratio.p_value,
        )
        verdict = decide(plan, evidence, NOW)
        if verdict.action is not Action.HOLD:
            return verdict.action
    return Action.HOLD


def test_whole_rollouts_end_as_they_should() -> None:
    assert [rolled_out((0.1, 0.1), seed) for seed in range(4)] == [Action.PROMOTE] * 4
    assert [rolled_out((0.1, 0.16), seed) for seed in range(4)] == [Action.ROLL_BACK] * 4
