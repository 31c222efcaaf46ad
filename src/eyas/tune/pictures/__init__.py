"""The four pictures of a search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from eyas.core import console
from eyas.tune.pictures.parallel import draw_parallel
from eyas.tune.pictures.particles import draw_particles
from eyas.tune.pictures.regret import draw_regret
from eyas.tune.pictures.scene import Scene
from eyas.tune.pictures.shares import draw_importance
from eyas.tune.plan import TunePlan
from eyas.tune.records import TrialRecord

DRAWERS: dict[str, Callable[[Scene, Path], None]] = {
    "regret.png": draw_regret,
    "importance.png": draw_importance,
    "parallel.png": draw_parallel,
    "particles.png": draw_particles,
}

__all__ = ["DRAWERS", "Scene", "draw_or_warn", "draw_pictures"]


def draw_pictures(folder: Path, plan: TunePlan, records: Sequence[TrialRecord], language: str = "en") -> Scene:
    """Draw all four into a folder, replacing older ones; `importance.json` beside them.

    Args:
        folder: that is there.
        plan: what was searched.
        records: every trial so far, in whatever state; there may be none.
        language: `en` or `fr`.
    """
    scene = Scene(plan, records, language)
    for name, draw in DRAWERS.items():
        draw(scene, folder / name)
    return scene


def draw_or_warn(folder: Path, plan: TunePlan, records: Sequence[TrialRecord]) -> None:
    """`draw_pictures` at the end of a search. Never raises: the search is over and its results are written."""
    try:
        draw_pictures(folder, plan, records)
    except Exception as error:  # noqa: BLE001 - hours of search must not end in a picture's error
        console.warn(f"{folder} has not all of its pictures: {error!r}")
