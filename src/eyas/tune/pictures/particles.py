"""Where the particles flew: two dimensions of the space, the most important numbers of it.

Every point is a configuration; lines lead each particle from one to the next. The larger a point, the better; one that
was trained to the end is filled. Other samplers have points alone.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from eyas.compare.picture import COLOURS
from eyas.report.canvas import GREY, INK, clean, new_figure, save
from eyas.tune.configurations import Configuration
from eyas.tune.pictures.scales import Scale
from eyas.tune.pictures.scene import Scene
from eyas.tune.space import Choice, Dimension

FLOWN = (*COLOURS[:7], "#882255")
"""A colour a particle; grey is for points of nobody."""
SMALLEST, LARGEST = 18.0, 150.0  # points²
SCATTER = 0.03  # of the places of what has few values, which would lie upon each other
FEW = 20
Place = tuple[float, float]


def draw_particles(scene: Scene, png: Path) -> None:
    """Write the picture."""
    say, keys = scene.say, chosen(scene)
    scales = [Scale(scene.plan.space.dimensions[key], say) for key in keys]
    figure = new_figure(9, 6.4)
    axes = figure.subplots()
    places = {one.number: place for one in scene.configurations if (place := _place(one, scales)) is not None}
    sizes = _sizes(scene)
    _draw_paths(axes, scene, places)
    for one in scene.configurations:
        if one.number in places:
            _draw_point(axes, scene, one, places[one.number], sizes.get(one.number, SMALLEST))
    scales[0].draw_on(axes, axes.xaxis)
    if len(scales) > 1:
        scales[1].draw_on(axes, axes.yaxis)
    else:  # one dimension: against the order of trials
        axes.set_ylabel(say("particles.order"))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    missing = len(scene.configurations) - len(places)
    title = say(
        "particles.title" if any(one.particle is not None for one in scene.configurations) else "particles.points"
    )
    clean(axes, title, grid="both")
    notes = [say("particles.note"), *([say("particles.missing", count=missing)] if missing else [])]
    figure.text(0.01, -0.015, " ".join(notes), fontsize=8.5, color=GREY, va="top")
    handles, _ = axes.get_legend_handles_labels()
    if handles:
        axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.01, 1.0), markerscale=0.9)
    save(figure, png)


def chosen(scene: Scene) -> list[str]:
    """The one or two keys of the axes: numbers first, then what is active everywhere, then by importance."""
    dimensions, order = scene.plan.space.dimensions, scene.importance.order(scene.plan.space)

    def rank(key: str) -> tuple[bool, bool, int]:
        one = dimensions[key]
        return isinstance(one, Choice), bool(one.when), order.index(key)

    return sorted(order, key=rank)[:2]


def _place(one: Configuration, scales: list[Scale]) -> Place | None:
    if any(scale.dimension.name not in one.params for scale in scales):
        return None
    found = []
    for axis, scale in enumerate(scales):
        place = scale.place(one.params[scale.dimension.name])
        if _has_few_values(scale.dimension):
            place += SCATTER * (2 * ((one.number * (0.618034, 0.754878)[axis]) % 1) - 1)
        found.append(place)
    return found[0], found[1] if len(found) > 1 else float(one.number)


def _has_few_values(one: Dimension) -> bool:
    if isinstance(one, Choice):
        return True
    return bool(one.step) and (one.high - one.low) / (one.step or 1) < FEW


def _sizes(scene: Scene) -> dict[int, float]:
    """By rank: the differences of values among the good are too small to be seen."""
    count = len(scene.ranked)
    shares = {one.number: 1.0 - index / max(1, count - 1) for index, one in enumerate(scene.ranked)}
    return {number: SMALLEST + (LARGEST - SMALLEST) * share**2 for number, share in shares.items()}


def _colour(one: Configuration) -> str:
    return GREY if one.particle is None else FLOWN[one.particle % len(FLOWN)]


def _draw_paths(axes: Axes, scene: Scene, places: dict[int, Place]) -> None:
    paths: dict[int, list[Configuration]] = defaultdict(list)
    for one in scene.configurations:
        if one.particle is not None and one.number in places:
            paths[one.particle].append(one)
    for particle, path in sorted(paths.items()):
        axes.plot([], [], color=_colour(path[0]), linewidth=2, label=scene.say("particles.particle", number=particle))
        points = np.array([places[one.number] for one in path])
        for start, end in pairwise(points):
            arrow: dict[str, Any] = {"arrowstyle": "-|>", "color": _colour(path[0]), "alpha": 0.55, "linewidth": 1.2}
            arrow |= {"shrinkA": 4, "shrinkB": 5, "mutation_scale": 9}
            axes.annotate("", end, start, arrowprops=arrow, zorder=2)


def _draw_point(axes: Axes, scene: Scene, one: Configuration, place: Place, size: float) -> None:
    x, y = place
    if one.baseline:
        label = scene.say("figure.baseline")
        axes.scatter(x, y, marker="X", s=110, color=INK, edgecolors="white", zorder=5, label=label)
        return
    if one is scene.best:
        label = scene.say("figure.best", number=one.trial)
        axes.scatter(x, y, marker="*", s=420, color=_colour(one), edgecolors=INK, zorder=6, label=label)
        return
    style: dict[str, Any] = {"s": size, "linewidths": 1.3, "zorder": 3, "edgecolors": _colour(one)}
    if one.value is None:
        axes.scatter(x, y, marker="x", s=26, color=GREY, linewidths=1.0, zorder=3)
    else:
        axes.scatter(x, y, facecolors=_colour(one) if one.rung == scene.top else "none", **style)
