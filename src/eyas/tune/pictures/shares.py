"""The importance of each dimension, as bars with the span over resamples."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from eyas.core import io
from eyas.report.canvas import BLUE, GREY, INK, clean, new_figure, save
from eyas.report.words import percent_ticks
from eyas.tune.importance import HIGH, LEAST, LOW, RESAMPLES
from eyas.tune.pictures.scales import plain
from eyas.tune.pictures.scene import Scene

MOST = 20


def draw_importance(scene: Scene, png: Path) -> None:
    """Write the picture, and its numbers as JSON beside it."""
    found, say = scene.importance, scene.say
    io.write_json(png.with_suffix(".json"), found.to_json())
    shown = found.shares[:MOST]
    figure = new_figure(9, max(2.4, 1.5 + 0.36 * len(shown)))
    axes = figure.subplots()
    if not shown:
        axes.set_axis_off()
        text = say("importance.unknown", count=found.configurations, least=LEAST)
        axes.text(0.5, 0.5, text, ha="center", va="center", color=INK, fontsize=11, transform=axes.transAxes)
        save(figure, png)
        return
    rows = np.arange(len(shown))
    medians = np.array([share.median for share in shown])
    spans = np.array([[share.median - share.low, share.high - share.median] for share in shown]).T
    axes.barh(rows, medians, color=BLUE, height=0.62)
    axes.errorbar(medians, rows, xerr=spans, fmt="none", ecolor=INK, elinewidth=1.3, capsize=3.5)
    axes.set_yticks(rows, [plain(share.key) for share in shown])
    axes.invert_yaxis()
    end = min(1.0, 1.08 * max(share.high for share in shown)) or 1.0
    axes.set_xlim(0, end)
    axes.xaxis.set_major_formatter(percent_ticks(scene.language, 0 if end > 0.1 else None))
    axes.set_xlabel(say("importance.axis", metric=scene.plan.metric))
    clean(axes, say("importance.title"), grid="x")
    note = say("importance.note", count=found.configurations, resamples=RESAMPLES, share=HIGH - LOW)
    if len(found.shares) > MOST:
        note += " " + say("figure.first", shown=MOST, all=len(found.shares))
    figure.text(0.01, -0.02, note, fontsize=8.5, color=GREY, va="top")
    save(figure, png)
