"""A study, or a learning curve, on the terminal."""

from __future__ import annotations

from rich.table import Table

from eyas.compare.convergence import Speed
from eyas.compare.learning import LearningCurve
from eyas.compare.results import ArmResult, StudyResult
from eyas.compare.statistics import Estimate
from eyas.core import console
from eyas.diagnose.data_size import FACTORS, DataSize

MOST_CLASSES = 10
RANKED = ("arm", "val accuracy", "95 % interval", "to the best", "p (Holm)")


def ranking_table(result: StudyResult) -> Table:
    """Arms from the best to the worst, each with its paired difference to the best."""
    best = result.arms[0]
    rows = [(best.name, _share(best.val), _span(best.val), "", "")]
    for arm in result.arms[1:]:
        pair = result.pair(best.name, arm.name)
        rows.append((arm.name, _share(arm.val), _span(arm.val), f"{-100 * pair.val.mean:+.2f}", _p(pair.p, result)))
    rows += [(name, "diverged", "", "", "") for name in result.diverged]
    seeds = f"{len(result.seeds)} seed{'s' if len(result.seeds) > 1 else ''}"
    return console.table(f"{result.name}: ranked by validation accuracy, {seeds}", RANKED, rows)


def speed_table(result: StudyResult) -> Table:
    """How soon, and the test images: for information only."""
    target = f"{result.target:g}"
    columns = ("arm", "train", "epochs", "seconds", "test", "95 % interval")
    title = f"{result.name}: epochs and seconds to {target}; test images decide nothing"
    return console.table(title, columns, [_speed_row(arm) for arm in result.arms])


def law_table(found: DataSize) -> Table:
    """Errors by images, the law's beside them, and what it gives beyond."""
    law, largest = found.law, float(found.sizes[-1])
    rows = [
        (f"{n:,.0f}", f"{errors.mean():.4f}", f"{errors.min():.4f}–{errors.max():.4f}", f"{law(n):.4f}")
        for n, errors in zip(found.sizes, found.errors.T, strict=True)
    ]
    rows += [(f"{factor * largest:,.0f} (×{factor})", "", "", f"{law(factor * largest):.4f}") for factor in FACTORS]
    columns = ("training images", "validation error", f"of {len(found.errors)} seeds", "fitted")
    return console.table(f"error = {law.a:.4f} + {law.b:.4g} · n^(-{law.c:.2f})", columns, rows)


def gain_table(curve: LearningCurve) -> Table:
    """The classes that the law gives most from twice the data."""
    order = sorted(curve.by_class.items(), key=lambda item: -item[1].gains[2].value)
    rows = []
    for name, found in order[:MOST_CLASSES]:
        gain = found.gains[2]
        span = f"{_hundredths(gain.low)} to {_hundredths(gain.high)}"
        rows.append((name, f"{found.errors[:, -1].mean():.4f}", _hundredths(gain.value), span))
    more = f": the first {MOST_CLASSES} of {len(order)}" if len(order) > MOST_CLASSES else ""
    title = f"fall in error with twice the data, in points{more}"
    return console.table(title, ("class", "error now", "fall", "95 % interval"), rows)


def _hundredths(share: float) -> str:
    """In points, and never -0.00."""
    return f"{round(100 * share, 2) + 0.0:.2f}"


def _speed_row(arm: ArmResult) -> tuple[str, ...]:
    seconds = arm.speed.mean_seconds
    return (
        arm.name,
        f"{arm.train:.4f}",
        _epochs(arm.speed),
        "" if seconds is None else f"{seconds:.1f}",
        _share(arm.test) if arm.test else "",
        _span(arm.test) if arm.test else "",
    )


def _epochs(found: Speed) -> str:
    if found.mean_epochs is not None:
        return f"{found.mean_epochs:.1f}"
    return "never" if not found.reached else f"{found.reached} of {len(found.epochs)} seeds"


def _share(found: Estimate) -> str:
    return f"{found.mean:.4f}"


def _span(found: Estimate) -> str:
    return f"{max(0.0, found.low):.4f}–{min(1.0, found.high):.4f}"


def _p(p: float, result: StudyResult) -> str:
    if len(result.seeds) < 2:  # one seed says nothing of the next
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
