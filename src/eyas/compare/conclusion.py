"""A study in words: no more than its numbers support."""

from __future__ import annotations

from collections.abc import Sequence

from eyas.compare.results import ArmResult, StudyResult

ALPHA = 0.05


def conclude(result: StudyResult) -> str:
    """Which arm is best by validation, whether beyond noise, which was soonest, and whether the test images agree."""
    parts = [_ranking(result), _soonest(result), _on_test(result), *_failures(result)]
    return " ".join(part for part in parts if part)


def _ranking(result: StudyResult) -> str:
    best = result.arms[0]
    if len(result.arms) < 2:
        return f"Only {best.name} has figures: there is nothing to compare it with."
    if len(result.seeds) < 2:
        return (
            f"One seed says nothing of the next: {best.name} has the highest validation accuracy here "
            f"({best.val.mean:.4f}), and whether it would again is open. Use --seeds 3 or more."
        )
    near = [arm for arm in result.arms[1:] if result.pair(best.name, arm.name).p >= ALPHA]
    beaten = [arm for arm in result.arms[1:] if arm not in near]
    if not near:
        return f"{best.name} is best: {best.val.mean:.4f}, {_lead(result, best, beaten[0])}."
    if not beaten:
        return f"No difference beyond noise: {_no_lead(result, best, near)}."
    return (
        f"{best.name} is ahead of {_names(beaten)}: {_lead(result, best, beaten[0])}. "
        f"Between {_names([best, *near])} there is no difference beyond noise: {_no_lead(result, best, near)}."
    )


def _lead(result: StudyResult, best: ArmResult, beaten: ArmResult) -> str:
    pair = result.pair(best.name, beaten.name)
    return (
        f"{_points(pair.val.mean)} of validation accuracy above {beaten.name} "
        f"(95 % interval {_span(pair.val.low, pair.val.high)}, p {_p(pair.p)}, {len(result.seeds)} seeds)"
    )


def _no_lead(result: StudyResult, best: ArmResult, near: Sequence[ArmResult]) -> str:
    """The farthest of those that cannot be told from the best."""
    pair = result.pair(best.name, near[-1].name)
    return (
        f"{best.name} leads {near[-1].name} by {_points(pair.val.mean)} of validation accuracy "
        f"(95 % interval {_span(pair.val.low, pair.val.high)}, p {_p(pair.p)}, {len(result.seeds)} seeds)"
    )


def _soonest(result: StudyResult) -> str:
    """Only where one arm was ahead of each other in every seed."""
    there = [arm for arm in result.arms if arm.speed.reached]
    if not there:
        return f"None reached a validation accuracy of {result.target:g}."
    if len(result.arms) < 2:
        return ""
    for arm in there:
        if all(_sooner(arm, other) for other in result.arms if other is not arm):
            rest = _later([other.speed.mean_epochs for other in result.arms if other is not arm])
            mean = f"after {arm.speed.mean_epochs:.1f} epochs on average"
            return f"{arm.name} reached {result.target:g} first in every seed, {mean}; {rest}."
    return f"No arm reached {result.target:g} before all others in every seed."


def _later(epochs: Sequence[float | None]) -> str:
    known = [value for value in epochs if value is not None]
    if len(known) < len(epochs):
        return "not every run of the rest did"
    return f"the other{'s' if len(known) > 1 else ''} after {_range(known)}"


def _sooner(arm: ArmResult, other: ArmResult) -> bool:
    return all(
        mine is not None and (theirs is None or mine < theirs)
        for mine, theirs in zip(arm.speed.epochs, other.speed.epochs, strict=True)
    )


def _on_test(result: StudyResult) -> str:
    """How the best by validation stands there. Nothing is chosen by it."""
    tested = [(arm, arm.test.mean) for arm in result.arms if arm.test]
    if len(tested) < 2:
        return ""
    (best, own), (top, most) = tested[0], max(tested, key=lambda found: found[1])
    if best is top:
        return f"On the test images, which decided nothing, {best.name} is ahead too ({own:.4f})."
    pair = result.pair(best.name, top.name)
    noise = "within noise" if pair.test and pair.test.p >= ALPHA else "beyond noise"
    ahead = f"{top.name} ({most:.4f}) is ahead of {best.name} ({own:.4f})"
    return f"On the test images, which decided nothing, {ahead}, {noise}."


def _failures(result: StudyResult) -> list[str]:
    return [f"{name} diverged." for name in result.diverged]


def _names(arms: Sequence[ArmResult]) -> str:
    names = [arm.name for arm in arms]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _points(share: float) -> str:
    return f"{100 * share:.2f} points"


def _span(low: float, high: float) -> str:
    return f"{100 * low:.2f} to {100 * high:.2f}"


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.1f}" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f} to {high:.1f}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
