"""Every configuration as a line through its values: parallel coordinates, a row a dimension.

Rows lie one below the other, so that keys stand beside them whole. The last row is the metric. A line passes at the
right end of a row, at `–`, where the dimension does not matter beside the configuration's other values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from eyas.report.canvas import GREY, INK, ORANGE, clean, new_figure, save
from eyas.tune.configurations import Configuration
from eyas.tune.pictures.scales import Scale, plain
from eyas.tune.pictures.scene import Scene

MOST = 16
INACTIVE = 1.09
COLOURS = {True: "viridis_r", False: "viridis"}
"""By whether larger values are better: the best are dark."""


def draw_parallel(scene: Scene, png: Path) -> None:
    """Write the picture."""
    say, keys = scene.say, scene.importance.order(scene.plan.space)[:MOST]
    scales = [Scale(scene.plan.space.dimensions[key], say) for key in keys]
    figure = new_figure(8.4, 1.9 + 0.58 * (len(scales) + 1))
    axes = figure.subplots()
    values = [one.value for one in scene.ranked if one.value is not None]
    span = _Span(min(values, default=0.0), max(values, default=1.0))
    _draw_rows(axes, scene, scales, span)
    norm, known = _colours(scene), scene.ranked
    for one in reversed(known):  # the best last, above the others
        _draw_line(axes, scene, one, scales, span, norm)
    axes.set_xlim(-0.03, INACTIVE + 0.04)
    axes.set_ylim(len(scales) + 0.55, -0.55)
    note = ". " + say("figure.first", shown=MOST, all=len(scene.plan.space)) if len(scene.plan.space) > MOST else ""
    clean(axes, f"{say('parallel.title', count=len(known))}{note}", grid="")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, pad=8)
    axes.set_xticks([])
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        order = np.unique(labels, return_index=True)[1]
        figure.legend(
            [handles[k] for k in sorted(order)],
            [labels[k] for k in sorted(order)],
            loc="outside lower center",
            ncols=4,
            frameon=False,
            fontsize=9,
        )
    if norm is not None:
        bar = figure.colorbar(
            ScalarMappable(norm, COLOURS[scene.plan.rising]), ax=axes, pad=0.01, fraction=0.03, aspect=30
        )
        bar.set_label(say("parallel.colour", metric=scene.plan.metric), fontsize=9)
        bar.ax.yaxis.set_major_formatter(scene.formatter())
        bar.ax.tick_params(labelsize=8)
    save(figure, png)


class _Span:
    """The metric's own row."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def place(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5

    def ticks(self) -> list[float]:
        if self.high <= self.low:
            return [self.low]
        return [float(v) for v in MaxNLocator(5).tick_values(self.low, self.high) if self.low <= v <= self.high]


def _colours(scene: Scene) -> Normalize | None:
    """Over the values at the top rung; None where there are not two that differ."""
    values = [one.value for one in scene.ranked if one.rung == scene.top and one.value is not None and not one.baseline]
    return Normalize(min(values), max(values)) if len(set(values)) > 1 else None


def _draw_rows(axes: Axes, scene: Scene, scales: list[Scale], span: _Span) -> None:
    style: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 8, "color": INK, "zorder": 6}
    style["bbox"] = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
    rows = [(scale.label(), scale.ticks()) for scale in scales]
    rows.append((plain(scene.plan.metric), [(span.place(v), scene.tick(v)) for v in span.ticks()]))
    for row, (_, ticks) in enumerate(rows):
        axes.plot([0, 1], [row, row], color=GREY, linewidth=1.1, zorder=1)
        for place, text in ticks:
            axes.plot([place, place], [row - 0.05, row + 0.05], color=GREY, linewidth=1.1, zorder=1)
            axes.text(place, row + 0.12, text, **style)
    for row, scale in enumerate(scales):
        if scale.dimension.when:
            axes.text(INACTIVE, row + 0.12, "–", **style)
    axes.set_yticks(range(len(rows)), [label for label, _ in rows])


def _draw_line(
    axes: Axes, scene: Scene, one: Configuration, scales: list[Scale], span: _Span, norm: Normalize | None
) -> None:
    places = [_place(scale, one) for scale in scales] + [span.place(one.value or 0.0)]
    style: dict[str, Any]
    if one.baseline:
        style = {"color": INK, "linewidth": 2.0, "linestyle": "--", "zorder": 4, "label": scene.say("figure.baseline")}
    elif one is scene.best:
        style = {"color": ORANGE, "linewidth": 2.8, "zorder": 5, "label": scene.say("figure.best", number=one.trial)}
    elif one.rung == scene.top:
        colour = colormaps[COLOURS[scene.plan.rising]](float(norm(one.value or 0.0))) if norm else ORANGE
        style = {"color": colour, "linewidth": 1.6, "alpha": 0.9, "zorder": 3, "label": scene.rung(scene.top)}
    else:
        style = {"color": GREY, "linewidth": 0.7, "alpha": 0.5, "zorder": 2, "label": scene.say("parallel.below")}
    axes.plot(places, range(len(places)), **style)


def _place(scale: Scale, one: Configuration) -> float:
    value = one.params.get(scale.dimension.name, one)
    return INACTIVE if value is one else scale.place(value)
