"""A study in words: no more than its numbers support."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from eyas.compare.results import ArmResult, StudyResult
from eyas.core.language import Phrases, phrases_beside

ALPHA = 0.05
words = phrases_beside(__file__)
"""Studies' phrases, by language."""


def conclude(result: StudyResult, language: str = "en") -> str:
    """Which arm is best by validation, whether beyond noise, which was soonest, and whether the test images agree."""
    say = words(language)
    failures = [say("diverged", name=name) for name in result.diverged]
    parts = [_ranking(result, say), _soonest(result, say), _on_test(result, say), *failures]
    return " ".join(part for part in parts if part)


def say_p(p: float, say: Phrases) -> str:
    """`= 0.012`, or `< 0.001`."""
    return say("p.below") if p < 0.001 else say("p.is", p=p)


def _ranking(result: StudyResult, say: Phrases) -> str:
    best = result.arms[0]
    if len(result.arms) < 2:
        return say("only_one", best=best.name)
    if len(result.seeds) < 2:
        return say("one_seed", best=best.name, value=best.val.mean)
    near = [arm for arm in result.arms[1:] if result.pair(best.name, arm.name).p >= ALPHA]
    beaten = [arm for arm in result.arms[1:] if arm not in near]
    if not near:
        return say("is_best", best=best.name, value=best.val.mean, lead=_lead("lead", result, beaten[0], say))
    no_lead = _lead("no_lead", result, near[-1], say)  # the farthest of those that cannot be told from the best
    alike = all(
        result.pair(*names).p >= ALPHA
        for names in combinations((arm.name for arm in result.arms if arm not in beaten), 2)
    )
    if not beaten:
        return say("no_difference" if alike else "none_from_best", no_lead=no_lead)
    return say(
        "ahead_of_some" if alike else "ahead_of_some_unlike",
        best=best.name,
        beaten=_names(beaten, say),
        lead=_lead("lead", result, beaten[0], say),
        near=_names([best, *near] if alike else near, say),
        no_lead=no_lead,
    )


def _lead(key: str, result: StudyResult, other: ArmResult, say: Phrases) -> str:
    """Of the best before another arm, in points."""
    best = result.arms[0]
    pair = result.pair(best.name, other.name)
    points = {"points": 100 * pair.val.mean, "low": 100 * pair.val.low, "high": 100 * pair.val.high}
    return say(key, best=best.name, other=other.name, **points, p=say_p(pair.p, say), seeds=len(result.seeds))


def _soonest(result: StudyResult, say: Phrases) -> str:
    """Only where one arm was ahead of each other in every seed."""
    there = [arm for arm in result.arms if arm.speed.reached]
    if not there:
        return say("none_reached", target=result.target)
    if len(result.arms) < 2:
        return ""
    for arm in there:
        if all(_sooner(arm, other) for other in result.arms if other is not arm):
            later = [other.speed.mean_epochs for other in result.arms if other is not arm]
            values = {"arm": arm.name, "target": result.target, "epochs": arm.speed.mean_epochs}
            return say("first", **values, others=_later(later, say))
    return say("none_first", target=result.target)


def _later(epochs: Sequence[float | None], say: Phrases) -> str:
    known = [value for value in epochs if value is not None]
    if len(known) < len(epochs):
        return say("not_all")
    return say("others_after" if len(known) > 1 else "other_after", range=_range(known, say))


def _sooner(arm: ArmResult, other: ArmResult) -> bool:
    return all(
        mine is not None and (theirs is None or mine < theirs)
        for mine, theirs in zip(arm.speed.epochs, other.speed.epochs, strict=True)
    )


def _on_test(result: StudyResult, say: Phrases) -> str:
    """How the best by validation stands there. Nothing is chosen by it."""
    tested = [(arm, arm.test.mean) for arm in result.arms if arm.test]
    if len(tested) < 2 or len(result.seeds) < 2:
        return ""
    (best, own), (top, most) = tested[0], max(tested, key=lambda found: found[1])
    if best is top:
        return say("test_too", best=best.name, own=own)
    pair = result.pair(best.name, top.name)
    clear = pair.test is not None and pair.test.p * len(result.pairs) < ALPHA  # Bonferroni: it is the highest of many
    noise = say("beyond" if clear else "within")
    return say("test_other", top=top.name, most=most, best=best.name, own=own, noise=noise)


def _names(arms: Sequence[ArmResult], say: Phrases) -> str:
    names = [arm.name for arm in arms]
    return names[0] if len(names) == 1 else say("and").join((", ".join(names[:-1]), names[-1]))


def _range(values: Sequence[float], say: Phrases) -> str:
    low, high = min(values), max(values)
    return say("number", low=low) if f"{low:.1f}" == f"{high:.1f}" else say("range", low=low, high=high)
