"""A learning curve from its finished runs: validation error by number of training images, overall and by class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, PercentFormatter
from numpy.typing import NDArray

from eyas.compare.plan import Plan, Training
from eyas.compare.results import Trained
from eyas.compare.running import read_all
from eyas.compare.telling import close_parent
from eyas.core import io
from eyas.core.errors import TrainingError
from eyas.core.marks import RESULTS
from eyas.data import Dataset
from eyas.diagnose.data_size import FACTORS, DataSize, conclude, data_size, redraw_images
from eyas.report.canvas import BLUE, GREY, INK, ORANGE, clean, new_figure, save, short

FILES = (RESULTS, "results.csv", "learning_curve.png")


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """What the runs say."""

    overall: DataSize
    by_class: dict[str, DataSize]
    """Of the classes with validation images."""
    val_images: int

    @property
    def conclusion(self) -> str:
        """In words."""
        return conclude(self.overall, self.by_class)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "error": "validation",
            "val_images": self.val_images,
            **self.overall.to_json(),
            "by_class": {name: found.to_json() for name, found in self.by_class.items()},
            "conclusion": self.conclusion,
        }


def finish_learning_curve(folder: Path, plan: Plan, dataset: Dataset) -> LearningCurve:
    """Fit, write, draw, and tell the tracker.

    Args:
        dataset: the whole of it.

    Raises:
        TrainingError: a share diverged.
    """
    curve = fit_learning_curve(read_all(folder, plan, dataset), dataset)
    draw(curve, folder / "learning_curve.png")
    io.write_csv(folder / "results.csv", ("class", "images", "seed", "val_error"), _rows(curve, plan.seeds))
    io.write_json(folder / RESULTS, curve.to_json())
    gains = {f"gain_with_{factor}x_data": curve.overall.gains[factor].value for factor in FACTORS}
    close_parent(folder, {"val_error": float(curve.overall.errors[:, -1].mean()), **gains}, FILES)
    return curve


def fit_learning_curve(found: Sequence[tuple[Training, Trained]], dataset: Dataset) -> LearningCurve:
    """The errors of the kept weights on the validation images, and their laws."""
    for training, trained in found:
        if trained.diverged is not None:
            raise TrainingError(f"the training on the share {training.arms[0][1]} diverged: {trained.diverged}")
    sizes = np.array([_images(training, dataset) for training, _ in found], np.float64)
    wrong = np.stack([~trained.val for _, trained in found], axis=1)  # (S, P, N)
    labels = dataset.val.labels
    by_class = {
        name: _fit(sizes, wrong[:, :, labels == index])
        for index, name in enumerate(dataset.classes)
        if (labels == index).any()
    }
    return LearningCurve(_fit(sizes, wrong), by_class, len(labels))


def _fit(sizes: NDArray[np.float64], wrong: NDArray[np.bool_]) -> DataSize:
    return data_size(sizes, wrong.mean(2), redraw_images(wrong))


def draw(curve: LearningCurve, png: Path) -> None:
    """The law with its band up to four times the data, and what each class would gain from twice the data."""
    rows = min(len(curve.by_class), 30)
    figure = new_figure(12, max(4.4, 0.26 * rows + 1.5))
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    _draw_law(left, curve.overall)
    _draw_gains(right, curve.by_class, rows)
    save(figure, png)


def _draw_law(axes: Axes, found: DataSize) -> None:
    largest = float(found.sizes[-1])
    grid = np.geomspace(found.sizes[0], FACTORS[-1] * largest, 200)
    low, high = found.band(grid)
    axes.fill_between(grid, low, high, color=BLUE, alpha=0.15, linewidth=0, label="95 % interval")
    for part, style in ((grid <= largest, "-"), (grid >= largest, "--")):
        label = f"{found.law.a:.3g} + {found.law.b:.3g} · n^(-{found.law.c:.2f})" if style == "-" else "beyond the data"
        axes.plot(grid[part], found.law(grid[part]), color=BLUE, linestyle=style, linewidth=1.8, label=label)
    sizes = np.broadcast_to(found.sizes, found.errors.shape)
    axes.scatter(sizes.ravel(), found.errors.ravel(), s=18, color=ORANGE, zorder=3, label="trainings")
    axes.set_xscale("log")
    axes.set_xticks(found.sizes, minor=False)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.set(xlabel="training images", ylabel="validation error")
    clean(axes, "Learning curve", grid="both")
    axes.legend(frameon=False, fontsize=9)


def _draw_gains(axes: Axes, by_class: dict[str, DataSize], rows: int) -> None:
    order = sorted(by_class, key=lambda name: -by_class[name].gains[2].value)[:rows]
    gains = [by_class[name].gains[2] for name in order]
    for row, gain in enumerate(gains):
        axes.plot([gain.low, gain.high], [row, row], color=GREY, linewidth=1.5, zorder=1)
    axes.scatter([gain.value for gain in gains], range(len(gains)), color=BLUE, s=22, zorder=2)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(order)), [short(name) for name in order])
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.set_xlabel("fall in error with twice the data")
    more = f", the first {rows} of {len(by_class)}" if rows < len(by_class) else ""
    clean(axes, f"By class{more}", grid="x")


def _images(training: Training, dataset: Dataset) -> int:
    """Training images of a share, counted as `eyas.data.splits.thin` takes them."""
    share = training.config.data.train_fraction
    _, counts = np.unique(dataset.train.labels, return_counts=True)
    return int(sum(max(1, round(share * int(count))) for count in counts))


def _rows(curve: LearningCurve, seeds: Sequence[int]) -> Iterator[tuple[str, int, int, float]]:
    """Class (or all), images, seed and error on the validation split."""
    for name, found in {"(all)": curve.overall, **curve.by_class}.items():
        errors: NDArray[np.float64] = found.errors
        for row, seed in enumerate(seeds):
            yield from ((name, int(n), seed, float(e)) for n, e in zip(found.sizes, errors[row], strict=True))
