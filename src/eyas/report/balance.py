"""How many images each class has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eyas.report.canvas import BLUE, INK, clean, ends, new_figure, save, short
from eyas.report.words import words


def draw_balance(classes: Sequence[str], counts: NDArray[np.int64], png: Path, *, language: str = "en") -> None:
    """A bar for each class, largest first; of many classes, the 20 at either end.

    Args:
        classes: K names.
        counts: (K,) images.
        png: the picture to write.
        language: of its words.
    """
    terms = words(language)
    order = np.argsort(-counts, kind="stable")
    parts = ends(order, terms, "figures.balance", "figures.larger", "figures.smaller")
    rows = max(len(part) for part in parts.values())
    figure = new_figure(5 * max(len(parts), 1.5), 0.2 * rows + 1.2)
    for axes, (title, part) in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts.items(), strict=True):
        bars = axes.barh(np.arange(len(part)), counts[part], color=BLUE, height=0.75)
        axes.bar_label(bars, [terms("number", value=int(counts[k])) for k in part], fontsize=8, color=INK, padding=2)
        axes.set_yticks(np.arange(len(part)), [short(classes[k]) for k in part])
        axes.set(ylim=(len(part) - 0.4, -0.6), xlim=(0, 1.12 * max(1, counts.max())))
        clean(axes, title, grid="x")
    save(figure, png)
