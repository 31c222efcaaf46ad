"""Training images beside what augmentation makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from eyas.report.canvas import GREY, INK, new_figure, save, short

CELL = 1.1  # inches
LINE = 0.15
ONE_LINE = 16  # characters under an image
LEAST = 0.005  # the smallest weight that is written: less would read .00


def draw_preview(
    originals: NDArray[np.uint8],
    variants: NDArray[np.uint8],
    classes: Sequence[str],
    mixtures: Sequence[Sequence[Sequence[tuple[str, float]]]],
    png: Path,
    title: str,
) -> None:
    """A row for each image: the original with its class, and its variants with theirs where labels are mixed.

    Args:
        originals: (r, H, W, C) uint8, C = 1 or 3.
        variants: (r, e, H, W, C) uint8, those of e epochs.
        classes: r names.
        mixtures: r by e lists of classes with weights.
        png: the picture to write.
        title: what was done.
    """
    rows, epochs, height, width, _ = variants.shape
    captions = [[caption(mixture) for mixture in row] for row in mixtures]
    mixed = any(len(mixture) > 1 for row in mixtures for mixture in row)
    lines = 1 + max(text.count("\n") for row in captions for text in row)
    figure = new_figure(CELL * (epochs + 1), (CELL * height / width + LINE * lines) * rows + 0.5)
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0.03, hspace=0.03)
    grid = figure.subplots(rows, epochs + 1, squeeze=False)
    for row in range(rows):
        _show(grid[row, 0], originals[row], short(classes[row]), bold=True)
        for epoch in range(epochs):
            _show(grid[row, epoch + 1], variants[row, epoch], captions[row][epoch] if mixed else "")
    for column, head in enumerate(["original", *(f"epoch {epoch + 1}" for epoch in range(epochs))]):
        grid[0, column].set_title(head, fontsize=8, color=GREY)
    figure.suptitle(title.replace("$", r"\$"), fontsize=9, color=INK)
    save(figure, png)


def caption(mixture: Sequence[tuple[str, float]]) -> str:
    """`7 .62 + 3 .38`, on two lines where the names are long; the name alone where there is one."""
    seen = [(name, weight) for name, weight in mixture if weight >= LEAST]
    if len(seen) == 1:
        return short(seen[0][0])
    parts = [f"{short(name)} {f'{weight:.2f}'.removeprefix('0')}" for name, weight in seen]
    return (" + " if len(" + ".join(parts)) <= ONE_LINE else "\n+ ").join(parts)


def _show(axes: Axes, image: NDArray[np.uint8], text: str, *, bold: bool = False) -> None:
    """The image's own pixels, enlarged without smoothing, in a thin frame: black images show their edge."""
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(color=GREY, linewidth=0.5)
    axes.set_xlabel(text, fontsize=7, color=INK, labelpad=2, fontweight="bold" if bold else "normal")
