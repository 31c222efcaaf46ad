"""A finished search on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from eyas.core import console
from eyas.tune.final import Final
from eyas.tune.live import described
from eyas.tune.plan import TunePlan
from eyas.tune.records import TrialRecord, continued

MOST = 8


def best_table(plan: TunePlan, records: Sequence[TrialRecord]) -> Table:
    """Each configuration where it stood at last: by rung, then by value; the baseline among them."""
    gone_on = continued(records)
    last = [one for one in records if one.value is not None and one.number not in gone_on]
    last.sort(key=lambda one: (-one.rung, -(one.value or 0.0) if plan.rising else (one.value or 0.0), one.number))
    shown = last[:MOST]
    shown += [one for one in last[MOST:] if one.baseline]
    rows = [
        (
            "baseline" if one.baseline else str(one.number),
            f"{one.value:.4f}",
            str(one.epochs),
            f"{one.seconds:.1f}",
            described(one),
        )
        for one in shown
    ]
    failed = sum(one.state == "failed" for one in records)
    title = f"{plan.name}: {len(last)} configurations{f', {failed} trials failed' if failed else ''}"
    return console.table(title, ("trial", plan.metric, "epochs", "seconds", "settings"), rows, cut="settings")


def final_table(final: Final) -> Table:
    """The two that were trained anew."""
    seeds = len(final.result.seeds)
    rows = [
        (arm.name, f"{arm.val.mean:.4f}", "" if arm.test is None else f"{arm.test.mean:.4f}")
        for arm in final.result.arms
    ]
    rows += [(name, "diverged", "") for name in final.result.diverged]
    title = f"trained anew for {seeds} seed{'s' if seeds > 1 else ''}; tuned was chosen by validation"
    return console.table(title, ("", "val accuracy", "test accuracy"), rows)
