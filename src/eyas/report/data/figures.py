"""The drawn figures of a dataset's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from eyas.report.canvas import BLUE, GREEN, INK, ORANGE, clean, encode, new_figure, short
from eyas.report.data.statistics import LEVELS, Colours

COLOURS = (BLUE, ORANGE, GREEN, INK)
NAMED = 40
DPI = 110


def draw_balance(counts: Mapping[str, Mapping[str, int]], classes: Sequence[str]) -> bytes:
    """Images of each class, its splits stacked, most first; many classes go without names."""
    total = np.array([sum(split.get(name, 0) for split in counts.values()) for name in classes])
    order = np.argsort(-total, kind="stable")
    named = len(classes) <= NAMED
    figure = new_figure(9, 3.6 if not named else 0.26 * len(classes) + 1.4)
    axes = figure.subplots()
    at, base = np.arange(len(classes)), np.zeros(len(classes))
    for colour, (split, of) in zip(COLOURS, counts.items(), strict=False):
        values = np.array([of.get(classes[k], 0) for k in order])
        if named:
            axes.barh(at, values, left=base, color=colour, label=split)
        else:
            axes.bar(at, values, bottom=base, width=1, color=colour, label=split)
        base += values
    if named:
        axes.set_yticks(at, [short(classes[k]) for k in order])
        axes.invert_yaxis()
        axes.set_xlabel("images")
    else:
        axes.set(ylabel="images", xlabel="classes, most images first")
    figure.legend(loc="outside lower center", ncols=len(counts), frameon=False, fontsize=9)
    clean(axes, "Images by class", grid="x" if named else "y")
    return encode(figure, DPI)


def draw_sizes(sizes: Mapping[str, int]) -> bytes:
    """Images of each size, the commonest 15."""
    shown = list(sizes.items())[:15]
    figure = new_figure(7, 0.3 * len(shown) + 1.3)
    axes = figure.subplots()
    axes.barh([name for name, _ in shown], [count for _, count in shown], color=BLUE)
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("images")
    clean(axes, "Images by size (height×width)", grid="x")
    return encode(figure, DPI)


def draw_brightness(found: Mapping[str, Colours]) -> bytes:
    """The distribution of mean brightness in each split."""
    figure = new_figure(8, 3.4)
    axes = figure.subplots()
    edges = np.linspace(0, 255, LEVELS + 1)
    for colour, (split, of) in zip(COLOURS, found.items(), strict=False):
        axes.stairs(of.histogram, edges, color=colour, linewidth=1.6, label=split)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set(xlim=(0, 255), xlabel="mean brightness of an image (0 black, 255 white)", ylabel="share of images")
    axes.legend(frameon=False, fontsize=9)
    clean(axes, "Brightness by split")
    return encode(figure, DPI)


def draw_means(means: NDArray[np.uint8], classes: Sequence[str]) -> bytes:
    """The mean image of each class, 10 a line."""
    columns = min(10, len(classes))
    lines = -(-len(classes) // columns)
    _, height, width, _ = means.shape
    gap = max(2, height // 3)
    sheet = _sheet(means, columns, lines, gap)
    figure = new_figure(columns * 1.0 + 0.3, lines * (1.0 * (height + gap) / width) + 0.5)
    axes = figure.subplots()
    _show(axes, sheet)
    for k, name in enumerate(classes):
        line, column = divmod(k, columns)
        text = name if len(name) <= 12 else f"{name[:11]}…"
        x, y = column * (width + 2) + width / 2, line * (height + gap) + height + 0.1 * gap
        axes.text(x, y, text.replace("$", r"\$"), ha="center", va="top", fontsize=7, color=INK)
    axes.set_axis_off()
    axes.set_title("Mean training image of each class", loc="left", fontsize=11, fontweight="bold", color=INK)
    return encode(figure, DPI)


def draw_montage(images: NDArray[np.uint8], classes: Sequence[str]) -> bytes:
    """(K, n, H, W, C): a line of images for each class, its name at the left."""
    count, per_class, height, width, _ = images.shape
    sheet = _sheet(images.reshape(count * per_class, *images.shape[2:]), per_class, count, 2)
    figure = new_figure(per_class * 0.75 + 1.5, count * 0.75 * height / width + 0.5)
    axes = figure.subplots()
    _show(axes, sheet)
    axes.set_yticks(np.arange(count) * (height + 2) + height / 2, [short(name) for name in classes])
    axes.set_xticks([])
    clean(axes, "Training images drawn by chance", grid="")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return encode(figure, DPI)


def _show(axes: Axes, sheet: NDArray[np.uint8]) -> None:
    axes.imshow(
        sheet[..., 0] if sheet.shape[-1] == 1 else sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest"
    )


def _sheet(images: NDArray[np.uint8], columns: int, lines: int, gap: int) -> NDArray[np.uint8]:
    """White paper with the images on it, 2 pixels apart and `gap` pixels below."""
    _, height, width, channels = images.shape
    sheet = np.full((lines * (height + gap), columns * (width + 2), channels), 255, np.uint8)
    for at, image in enumerate(images):
        line, column = divmod(at, columns)
        y, x = line * (height + gap), column * (width + 2)
        sheet[y : y + height, x : x + width] = image
    return sheet
