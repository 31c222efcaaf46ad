"""One look for every picture, and one way to write it. The object API throughout: pyplot keeps figures for ever."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from eyas.core.io import write_bytes
from eyas.core.language import Phrases

# Okabe & Ito's colours, told apart by colour-blind readers and in grey.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
INK, GREY, PALE = "#222222", "#7A7A7A", "#E3E3E3"
DPI = 150
LABEL_LENGTH = 20
ALL_BARS, EXTREMES = 40, 20


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of about this many inches, laid out so that nothing overlaps."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")


def clean(axes: Axes, title: str, grid: str = "y") -> None:
    """The title at the left, no frame at the top and right, a pale grid along `grid` (`x`, `y`, `both` or none)."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=9)
    if grid:
        axes.grid(axis=grid, color=PALE, linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def ends(order: NDArray[np.int64], terms: Phrases, whole: str, first: str, last: str) -> dict[str, NDArray[np.int64]]:
    """The bars of a picture under their titles: all of them, or of many the `EXTREMES` at either end.

    Args:
        order: the bars' numbers as they are drawn.
        terms: has the titles.
        whole, first, last: their keys; those of the ends take `count`.
    """
    if len(order) <= ALL_BARS:
        return {terms(whole): order}
    return {terms(first, count=EXTREMES): order[:EXTREMES], terms(last, count=EXTREMES): order[-EXTREMES:]}


def short(label: str) -> str:
    """A class name that fits beside a tick, cut in the middle: many long names differ only at their end.

    `$` is escaped: matplotlib would read mathematics in it.
    """
    half = (LABEL_LENGTH - 1) // 2
    cut = label if len(label) <= LABEL_LENGTH else f"{label[:half]}…{label[-half:]}"
    return cut.replace("$", r"\$")


def save(figure: Figure, png: Path) -> None:
    """Write the figure whole or not at all, its frame fitted to what is drawn: no name is cut at the edge."""
    write_bytes(png, encode(figure))


def encode(figure: Figure, dpi: int = DPI) -> bytes:
    """The figure as a PNG."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        # A script that the font lacks shows as boxes; the table beside the picture has the name.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure.savefig(content, format="png", dpi=dpi, bbox_inches="tight", pad_inches=0.12)
    return content.getvalue()
