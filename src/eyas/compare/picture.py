"""The arms of each study overlaid: validation accuracy and loss by epoch, mean and range over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from eyas.compare.conclusion import words
from eyas.compare.convergence import Curve
from eyas.compare.results import ArmResult, StudyResult
from eyas.report.canvas import BLUE, GREEN, GREY, INK, ORANGE, clean, new_figure, save, short
from eyas.report.words import percent_ticks

COLOURS = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9", INK, GREY)  # Okabe & Ito's
STYLES: tuple[Any, ...] = ("-", "--", "-.", ":")
MOST_DRAWN = 8


def draw_studies(results: Sequence[StudyResult], png: Path, language: str = "en") -> None:
    """One row a study; of many arms, the best by validation."""
    say = words(language)
    figure = new_figure(12, 3.9 * len(results))
    for (left, right), result in zip(figure.subplots(len(results), 2, squeeze=False), results, strict=True):
        shown = result.arms[:MOST_DRAWN]
        for index, arm in enumerate(shown):
            _draw(left, arm, "val_accuracy", index)
            _draw(right, arm, "val_loss", index)
        left.axhline(result.target, color=GREY, linewidth=1, linestyle=":")
        left.yaxis.set_major_formatter(percent_ticks(language))
        many = len(result.arms) > MOST_DRAWN
        note = say("figure.note", most=MOST_DRAWN, count=len(result.arms)) if many else ""
        clean(left, say("figure.title", study=result.name, note=note, target=result.target))
        clean(right, say("figure.loss"))
        right.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
        for axes in (left, right):
            axes.set_xlabel(say("figure.epoch"))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    seeds = len(results[0].seeds)
    over = say("figure.over", seeds=seeds) if seeds > 1 else say("figure.one")
    figure.suptitle(over, fontsize=10, color=INK)
    save(figure, png)


def _draw(axes: Axes, arm: ArmResult, column: str, index: int) -> None:
    values = _stacked(arm.trained.curves(column))
    epochs = np.arange(1, values.shape[1] + 1)
    colour, style = COLOURS[index % len(COLOURS)], STYLES[index % len(STYLES)]
    marks: dict[str, Any] = {"marker": "o", "markersize": 3.5} if len(epochs) <= 30 else {}
    axes.plot(
        epochs, np.nanmean(values, axis=0), color=colour, linestyle=style, linewidth=1.8, label=short(arm.name), **marks
    )
    if len(values) > 1:
        low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        axes.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)


def _stacked(curves: Sequence[Curve]) -> NDArray[np.float64]:
    """(S, epochs); NaN behind the end of a run that stopped early."""
    longest = max(map(len, curves))
    return np.array([np.pad(curve, (0, longest - len(curve)), constant_values=np.nan) for curve in curves])
