"""Which images to show: the surest right answers, the surest mistakes, the least sure answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from eyas.data import Split
from eyas.diagnose import Answers
from eyas.report.canvas import GREY, INK, ORANGE, new_figure, save, short
from eyas.report.words import words

Choice = Literal["right", "wrong", "unsure"]
COLUMNS, CELL = 6, 1.25  # inches a cell


@dataclass(frozen=True, eq=False)
class Examples:
    """A split, and what the network says of it."""

    split: Split
    answers: Answers

    def pick(self, choice: Choice, count: int) -> NDArray[np.int64]:
        """Up to `count` positions: wrong and right by falling confidence, one class after the other for right ones;
        unsure by rising confidence."""
        predicted, confidence = self.answers.probabilities.argmax(axis=1), self.answers.probabilities.max(axis=1)
        right = predicted == self.answers.labels
        order = np.argsort(confidence if choice == "unsure" else -confidence, kind="stable")
        if choice == "unsure":
            return order[:count].astype(np.int64)
        order = order[right[order] == (choice == "right")]
        if choice == "right":
            order = _classes_in_turn(order, self.answers.labels)
        return order[:count].astype(np.int64)


def draw_examples(
    examples: Examples, rows: NDArray[np.int64], classes: Sequence[str], png: Path, language: str = "en"
) -> None:
    """The images in a grid, each with its class and, in orange where it is another, the predicted one.

    Args:
        rows: (n,) positions in the split, n ≥ 1.
        classes: K names.
        png: the picture to write.
        language: of its numbers.
    """
    images = examples.split.take(rows)
    height, width = images.shape[1:3]
    lines = -(-len(rows) // COLUMNS)
    figure = new_figure(CELL * COLUMNS, (CELL * height / width + 0.42) * lines)
    grid = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    for axes in grid[len(rows) :]:
        axes.set_axis_off()
    for axes, image, row in zip(grid, images, rows.tolist(), strict=False):
        probs, label = examples.answers.probabilities[row], int(examples.answers.labels[row])
        confidence = words(language)("figures.confidence_of", value=float(probs.max()))
        _show(axes, image, classes[label], classes[int(probs.argmax())], confidence)
    save(figure, png)


def _show(axes: Axes, image: NDArray[np.uint8], label: str, predicted: str, confidence: str) -> None:
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(color=GREY, linewidth=0.5)
    right = label == predicted
    axes.set_title(short(label), fontsize=8, color=INK, pad=2)
    text = confidence if right else f"→ {short(predicted)} {confidence}"
    axes.set_xlabel(text, fontsize=7.5, color=INK if right else ORANGE, labelpad=2)


def _classes_in_turn(order: NDArray[np.intp], labels: NDArray[np.int64]) -> NDArray[np.intp]:
    """The first of each class, then the second of each, and so on."""
    seen: dict[int, int] = {}
    turn = np.empty(len(order), np.int64)
    for position, label in enumerate(labels[order].tolist()):
        turn[position] = seen[label] = seen.get(label, -1) + 1
    return order[np.argsort(turn, kind="stable")]
