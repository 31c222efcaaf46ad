"""The best value so far, against trials and against seconds of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from eyas.report.canvas import BLUE, GREY, INK, ORANGE, clean, new_figure, save
from eyas.tune.pictures.scene import Scene
from eyas.tune.records import TrialRecord

MARKS = (("o", GREY), ("s", "#56B4E9"), ("^", "#E69F00"))
"""Of the rungs below the top."""
SHOWN = 0.25
"""Below this quantile, values lie at the edge: the axis is for the differences among the good."""


@dataclass(frozen=True)
class Step:
    """A trial that has ended."""

    seconds: float
    """Of training, of this one and of all that ended before it."""
    rung: int
    value: float | None
    counts: bool
    """Whether it is tuned, and has finished the top rung."""


def steps(records: Sequence[TrialRecord], top: int) -> list[Step]:
    """In the order in which they ended."""
    over = [one for one in records if one.state in ("complete", "pruned", "failed")]
    over.sort(key=lambda one: (one.ended is None, one.ended and one.ended.timestamp(), one.number))
    found, spent = [], 0.0
    for one in over:
        spent += one.seconds
        value = one.value if one.value is not None and isfinite(one.value) else None
        counts = value is not None and one.whole and one.rung == top and not one.baseline
        found.append(Step(spent, one.rung, None if one.baseline else value, counts))
    return found


def draw_regret(scene: Scene, png: Path) -> None:
    """Write the picture."""
    say, done = scene.say, steps(scene.records, scene.top)
    figure = new_figure(12, 4.4)
    left, right = figure.subplots(1, 2, sharey=True)
    low, high = _limits(scene, done)
    for axes, places in ((left, [float(k + 1) for k in range(len(done))]), (right, [one.seconds for one in done])):
        _draw(axes, scene, done, places, (low, high))
        clean(axes, "")
        axes.set_ylim(low, high)
        axes.yaxis.set_major_formatter(scene.formatter())
    left.set_ylabel(scene.plan.metric)
    left.set_xlabel(say("regret.trials"))
    left.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    right.set_xlabel(say("regret.seconds"))
    right.tick_params(labelleft=False)
    clean(left, say("regret.title"))
    left.tick_params(labelleft=True)
    handles, labels = left.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    save(figure, png)


def _draw(axes: Axes, scene: Scene, done: Sequence[Step], places: Sequence[float], limits: tuple[float, float]) -> None:
    if scene.baseline is not None and scene.baseline.rung == scene.top and scene.baseline.value is not None:
        text = scene.say("regret.baseline", value=scene.baseline.value)
        axes.axhline(scene.baseline.value, color=INK, linestyle="--", linewidth=1.4, label=text)
    for rung in range(scene.top + 1):
        known = [
            (x, one.value) for x, one in zip(places, done, strict=True) if one.rung == rung and one.value is not None
        ]
        if known:
            _scatter(axes, scene, rung, known, limits)
    best, x = _best_so_far(done, rising=scene.plan.rising), np.array(places)
    there = np.isfinite(best)
    if there.any():
        axes.step(
            x[there], best[there], where="post", color=ORANGE, linewidth=2.2, label=scene.say("regret.best"), zorder=4
        )


def _scatter(
    axes: Axes, scene: Scene, rung: int, known: Sequence[tuple[float, float]], limits: tuple[float, float]
) -> None:
    top = rung == scene.top
    marker, colour = ("D", BLUE) if top else MARKS[rung % len(MARKS)]
    x, y = np.array(known).T
    low, high = limits
    inset = 0.015 * (high - low)
    off = (y < low) | (y > high)
    style = {"color": colour, "s": 34 if top else 20, "linewidths": 0.8, "zorder": 3}
    axes.scatter(x[~off], y[~off], marker=marker, alpha=0.9, label=scene.rung(rung), **style)  # type: ignore[arg-type]
    edge = np.clip(y[off], low + inset, high - inset)
    axes.scatter(x[off], edge, marker="v" if scene.plan.rising else "^", facecolors="none", edgecolors=colour, s=22)


def _limits(scene: Scene, done: Sequence[Step]) -> tuple[float, float]:
    """Of the values' axis: all that counts, the baseline, and most of the others."""
    values = np.array([one.value for one in done if one.value is not None])
    must = [one.value for one in done if one.counts and one.value is not None]
    if scene.baseline is not None and scene.baseline.value is not None:
        must.append(scene.baseline.value)
    if not len(values):
        values = np.array(must or [0.0])
    worst, best = (SHOWN, 1.0) if scene.plan.rising else (1.0 - SHOWN, 0.0)
    ends = [float(np.quantile(values, worst)), float(np.quantile(values, best)), *must]
    low, high = min(ends), max(ends)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


def _best_so_far(done: Sequence[Step], *, rising: bool) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(n,) NaN before anything counts."""
    sign = 1.0 if rising else -1.0
    worth = np.array([sign * one.value if one.counts and one.value is not None else -np.inf for one in done])
    best = sign * np.maximum.accumulate(worth) if len(worth) else worth
    return np.where(np.isfinite(best), best, np.nan)
