"""A diagnosis as a picture and a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from eyas.core import io
from eyas.diagnose.findings import Diagnosis, Phases
from eyas.diagnose.history import History, read_history
from eyas.diagnose.wording import phrases
from eyas.report.canvas import BLUE, GREY, INK, ORANGE, PALE, clean, new_figure, save
from eyas.report.words import percent_ticks

Floats = NDArray[np.float64]
FOLDER = "diagnosis"


def write_diagnosis(diagnosis: Diagnosis, run: Path, history_csv: Path) -> Path:
    """`RUN/diagnosis/` with `diagnosis.json` and `curves.png`, replacing older ones; returns the folder."""
    folder = run / FOLDER
    io.write_json(folder / "diagnosis.json", diagnosis.to_json())
    draw_phases(read_history(history_csv), diagnosis.phases, folder / "curves.png")
    return folder


def draw_phases(history: History, phases: Phases, png: Path, language: str = "en") -> None:
    """Loss and error by epoch with the gap shaded, and the epochs that still learn or over-fit marked.

    Args:
        history: with a validation split.
        phases: of it.
        png: the picture to write.
        language: of its words.
    """
    words = phrases(language)
    figure = new_figure(11, 4.2)
    left, right = figure.subplots(1, 2)
    _draw_gap(left, history["epoch"], history["loss"], history["val_loss"], language)
    clean(left, words("curves.loss"))
    _draw_gap(right, history["epoch"], 1 - history["accuracy"], 1 - history["val_accuracy"], language)
    right.yaxis.set_major_formatter(percent_ticks(language))
    clean(right, words("curves.error"))
    for axes in (left, right):
        _mark_phases(axes, phases, len(history["epoch"]), language)
        axes.set_xlabel(words("curves.epoch"))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    left.legend(frameon=False, fontsize=9)
    figure.suptitle(words("curves.best", best=phases.best), fontsize=10, color=INK)
    save(figure, png)


def _draw_gap(axes: Axes, epochs: Floats, train: Floats, val: Floats, language: str) -> None:
    words = phrases(language)
    axes.fill_between(epochs, train, val, color=ORANGE, alpha=0.15, linewidth=0, label=words("curves.gap"))
    marks: dict[str, Any] = {"marker": "o", "markersize": 3.5} if len(epochs) <= 30 else {}
    axes.plot(epochs, train, color=BLUE, label=words("curves.training"), **marks)
    axes.plot(epochs, val, color=ORANGE, linestyle="--", label=words("curves.validation"), **marks)


def _mark_phases(axes: Axes, phases: Phases, epochs: int, language: str) -> None:
    words = phrases(language)
    axes.set_xlim(0.5, epochs + 0.5)
    axes.axvline(phases.best, color=GREY, linestyle=":", linewidth=1.5)
    spans = [("underfit", 0.5, phases.underfit_until + 0.5)] if phases.underfit_until else []
    if phases.overfit_from is not None:
        spans.append(("overfit", phases.overfit_from - 0.5, epochs + 0.5))
    for name, start, end in spans:
        axes.axvspan(start, end, color=PALE, alpha=0.5, linewidth=0, zorder=0)
        middle, top = (start + end) / 2, axes.get_xaxis_transform()
        axes.text(
            middle, 0.02, words(f"curves.{name}"), transform=top, ha="center", va="bottom", fontsize=8, color=GREY
        )
