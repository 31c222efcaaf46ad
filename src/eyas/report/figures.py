"""A run's pictures: learning curves, confusion matrix, reliability diagram, scores of each class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from eyas.core.language import Phrases
from eyas.core.schema import Monitor
from eyas.diagnose.history import History, best_epoch, read_history
from eyas.evaluate import Evaluation
from eyas.report.canvas import BLUE, GREEN, GREY, INK, ORANGE, PALE, clean, ends, new_figure, save, short
from eyas.report.words import percent_ticks, words

# More classes than this get no name each on the confusion matrix, and only their extremes among the per-class scores.
NAMED_CLASSES = 120


def draw_curves(history_csv: Path, png: Path, *, monitor: Monitor = "val_loss", language: str = "en") -> None:
    """Loss, accuracy and learning rate by epoch, the best epoch marked.

    Args:
        history_csv: of a run; its validation columns may be empty.
        png: the picture to write.
        monitor: what the best epoch is judged by; without a validation split, its training twin.
        language: of its words.

    Raises:
        DataError: no such history, or one without epochs.
    """
    terms, history = words(language), read_history(history_csv)
    best, judged_by = best_epoch(history, monitor)
    figure = new_figure(13, 4.2)
    left, middle, right = figure.subplots(1, 3)
    _draw_pair(left, history, "loss", terms)
    _draw_pair(middle, history, "accuracy", terms)
    middle.yaxis.set_major_formatter(percent_ticks(language))
    right.plot(history["epoch"], history["learning_rate"], color=GREEN, **_marks(history), drawstyle="steps-mid")
    right.set_yscale("log")
    clean(right, terms("figures.curves.learning_rate"))
    for axes in (left, middle, right):
        axes.axvline(history["epoch"][best], color=GREY, linestyle=":", linewidth=1.5)
        axes.set_xlabel(terms("figures.curves.epoch"))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    value = history[judged_by][best]
    said = terms("figures.curves.best", epoch=int(history["epoch"][best]), monitor=judged_by, value=float(value))
    figure.suptitle(said, fontsize=10, color=INK)
    save(figure, png)


def draw_confusion(classes: tuple[str, ...], confusion: NDArray[np.int64], png: Path, language: str = "en") -> None:
    """The confusion matrix, each row as shares of its true class; counts where they fit into a cell.

    The colour scale follows the square root of the share, so that rare confusions are seen. The row of a class without
    images is grey.

    Args:
        classes: K names.
        confusion: (K, K) images; row = true class, column = predicted class.
        png: the picture to write.
        language: of its words.
    """
    terms = words(language)
    size, images, support = len(classes), confusion.sum(), confusion.sum(axis=1)
    side = float(np.clip(0.6 * size, 4.5, 15))
    figure = new_figure(side + 2.2, side + 1.2)
    axes = figure.subplots()
    shares = confusion / np.where(support > 0, support, np.nan)[:, None]
    image = axes.imshow(np.ma.masked_invalid(shares), cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="nearest")
    axes.set_facecolor(PALE)
    points = side * 72 / size * 0.85  # of a cell; labels and the colour bar take the rest
    _name_classes(axes, classes, points)
    _write_counts(axes, confusion, shares, points)
    accuracy = float(np.trace(confusion) / images)
    clean(axes, terms("figures.confusion", images=int(images), accuracy=accuracy), grid="")
    named = size <= NAMED_CLASSES
    axes.tick_params(labelsize=_label_size(points) if named else 10, length=0 if named else 3)
    axes.set_xlabel(terms("figures.predicted"))
    axes.set_ylabel(terms("figures.true"))
    bar = figure.colorbar(
        image, ax=axes, fraction=0.04, pad=0.02, aspect=35, ticks=[0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1]
    )
    bar.ax.yaxis.set_major_formatter(percent_ticks(language, 0))
    bar.set_label(terms("figures.share"), color=INK)
    bar.outline.set_visible(False)
    save(figure, png)


def draw_reliability(evaluation: Evaluation, png: Path, language: str = "en") -> None:
    """Accuracy against confidence in equal-width bins, the gap to perfect calibration, and each bin's images."""
    terms = words(language)
    bins = evaluation.bins
    filled = bins.counts > 0
    left, width = bins.edges[:-1][filled], np.diff(bins.edges)[filled]
    accuracy, confidence = bins.accuracy[filled], bins.confidence[filled]
    figure = new_figure(6, 7)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    above.bar(left, accuracy, width, align="edge", color=BLUE, edgecolor="white", label=terms("figures.accuracy"))
    gap = {"align": "edge", "facecolor": "none", "edgecolor": ORANGE, "hatch": "////", "linewidth": 1}
    above.bar(left, confidence - accuracy, width, bottom=accuracy, **gap, label=terms("figures.gap"))
    above.plot([0, 1], [0, 1], color=INK, linestyle="--", linewidth=1, label=terms("figures.perfect"))
    above.set(xlim=(0, 1), ylim=(0, 1), ylabel=terms("figures.accuracy"))
    low, high = evaluation.intervals["ece"]
    clean(above, terms("figures.reliability", ece=evaluation.ece, low=low, high=high))
    above.legend(loc="upper left", frameon=False, fontsize=9)
    bars = below.bar(left, bins.counts[filled], width, align="edge", color=GREY, edgecolor="white")
    below.bar_label(bars, [_compact(int(n)) for n in bins.counts[filled]], fontsize=7, color=INK, padding=1)
    below.margins(y=0.15)
    below.set(xlabel=terms("figures.confidence"), ylabel=terms("figures.images"))
    below.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    clean(below, terms("figures.count", images=evaluation.images))
    figure.align_ylabels()
    save(figure, png)


def draw_per_class(evaluation: Evaluation, png: Path, language: str = "en") -> None:
    """F1 of each class with images, highest first, its support beside it; of many classes, the 20 at either end."""
    terms = words(language)
    order = np.argsort(-evaluation.f1, kind="stable")
    order = order[evaluation.support[order] > 0]
    parts = ends(order, terms, "figures.f1_by_class", "figures.highest", "figures.lowest")
    rows = max(len(part) for part in parts.values())
    figure = new_figure(6.5 * len(parts), 0.27 * rows + 1.6)
    for axes, (title, part) in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts.items(), strict=True):
        _draw_bars(axes, evaluation, part)
        clean(axes, title, grid="x")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    absent = int((evaluation.support == 0).sum())
    note = terms("figures.absent", count=absent) if absent else ""
    values = {"classes": len(evaluation.classes), "absent": note, "f1": evaluation.macro.f1}
    figure.suptitle(terms("figures.per_class", **values), fontsize=10, color=INK)
    save(figure, png)


def _marks(history: History) -> dict[str, Any]:
    """A dot for each epoch while there are few: a single epoch would draw no line at all."""
    return {"marker": "o", "markersize": 3.5, "linewidth": 1.8} if len(history["epoch"]) <= 30 else {"linewidth": 1.8}


def _draw_pair(axes: Axes, history: History, name: str, terms: Phrases) -> None:
    """The training and, where there is one, the validation curve."""
    axes.plot(history["epoch"], history[name], color=BLUE, label=terms("figures.curves.training"), **_marks(history))
    if np.isfinite(history[f"val_{name}"]).any():
        marks = _marks(history)
        axes.plot(
            history["epoch"],
            history[f"val_{name}"],
            color=ORANGE,
            linestyle="--",
            label=terms("figures.curves.validation"),
            **marks,
        )
    clean(axes, terms(f"figures.curves.{name}"))
    axes.legend(frameon=False, fontsize=9)


def _compact(count: int) -> str:
    """At most five characters, to stand above a bar."""
    return f"{count:,}" if count < 10_000 else f"{count / 1000:,.0f}k"


def _label_size(points: float) -> float:
    """The font for names beside cells of this many points."""
    return float(np.clip(points * 0.62, 4.5, 10))


def _name_classes(axes: Axes, classes: tuple[str, ...], points: float) -> None:
    if len(classes) > NAMED_CLASSES:  # numbers instead, at matplotlib's own choice of steps
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        return
    names = [short(name) for name in classes]
    longest = max(map(len, names))
    upright = longest * _label_size(points) * 0.6 < points
    axes.set_xticks(range(len(names)), names, rotation=0 if upright else 90)
    axes.set_yticks(range(len(names)), names)


def _write_counts(axes: Axes, confusion: NDArray[np.int64], shares: NDArray[np.float64], points: float) -> None:
    """The count in every cell that has one, where the longest fits at 6 points or more."""
    font = min(11.0, points / (0.68 * len(str(confusion.max()))))
    if font < 6:
        return
    for row, column in zip(*np.nonzero(confusion), strict=True):
        colour = "white" if shares[row, column] > 0.3 else INK
        text = str(confusion[row, column])
        axes.text(column, row, text, ha="center", va="center", fontsize=font, color=colour)


def _draw_bars(axes: Axes, evaluation: Evaluation, part: NDArray[np.intp]) -> None:
    f1, rows = evaluation.f1[part], np.arange(len(part))
    axes.barh(rows, f1, color=BLUE, height=0.75)
    axes.axvline(evaluation.macro.f1, color=ORANGE, linestyle="--", linewidth=1.2)
    axes.set_yticks(rows, [short(evaluation.classes[k]) for k in part])
    axes.set(xlim=(0, 1), ylim=(len(part) - 0.4, -0.6), xlabel="F1")
    for row, k in enumerate(part):
        text = f"{evaluation.f1[k]:.2f}  n={evaluation.support[k]:,}"
        axes.text(1.02, row, text, va="center", fontsize=8, color=INK, transform=axes.get_yaxis_transform())
