"""What a classifier answers with: the project's own values, with a table and a picture in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eyas.core import notebook
from eyas.core.runs import RunFolder
from eyas.diagnose import Diagnosis
from eyas.diagnose.history import COLUMNS, History
from eyas.diagnose.wording import say, say_certainty, tabulate
from eyas.evaluate import Evaluation
from eyas.explain import Explanation
from eyas.explain.picture import overlay
from eyas.image import to_png
from eyas.report import draw_confusion, draw_curves

WIDTH = 460


@dataclass(frozen=True, eq=False, repr=False)
class Measured(Evaluation):
    """An `Evaluation` of one split, in words."""

    split: str = field(kw_only=True)
    """What was measured."""

    @classmethod
    def of(cls, found: Evaluation, split: str) -> Measured:
        """The same, with the name of the split."""
        return cls(**_values(found), split=split)

    def plot(self) -> Image.Image:
        """The confusion matrix as a picture."""
        with TemporaryDirectory(prefix="eyas-") as folder:
            file = Path(folder) / "confusion.png"
            draw_confusion(self.classes, self.confusion, file)
            return _opened(file)

    def __repr__(self) -> str:
        lines = "\n".join(f"  {label:<9} {value}  ({interval})" for label, value, interval in self.figures())
        return f"{self.split}: {self.images:,} images, 95 % intervals in brackets\n{lines}"

    def _repr_html_(self) -> str:
        worst = sorted(self.per_class(), key=lambda row: row["f1"])[: notebook.MOST_ROWS]
        rows = [
            (r["class"], *(round(r[name], 3) for name in ("precision", "recall", "f1")), r["support"]) for r in worst
        ]
        return notebook.block(
            f"{self.split}: {self.images:,} images",
            notebook.table(("metric", "value", "95 % interval"), self.figures()),
            notebook.picture(to_png(np.asarray(self.plot())), width=WIDTH),
            notebook.table(("class, lowest F1 first", "precision", "recall", "F1", "images"), rows),
        )


@dataclass(frozen=True, eq=False, repr=False)
class Explained(Explanation):
    """An `Explanation` with its image."""

    label: str = field(kw_only=True)
    """The class's name."""
    image: NDArray[np.uint8] = field(kw_only=True)
    """(H, W, C), as the network takes it."""

    @classmethod
    def of(cls, found: Explanation, label: str, image: NDArray[np.uint8]) -> Explained:
        """The same, with what it is about."""
        return cls(**_values(found), label=label, image=image)

    def plot(self) -> Image.Image:
        """The image, red where a part speaks for the class and blue where against it."""
        return overlay(self.image, self.map)

    def __repr__(self) -> str:
        return f"{self.method}: {self.label}, {self.probability:.1%}; the map is {self.reliability.verdict}"

    def _repr_html_(self) -> str:
        return notebook.block(repr(self), "<br>", notebook.picture(to_png(np.asarray(self.plot()))))


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosed(Diagnosis):
    """A `Diagnosis` in words."""

    @classmethod
    def of(cls, found: Diagnosis) -> Diagnosed:
        """The same."""
        return cls(**_values(found))

    def lines(self) -> list[str]:
        """How sure it is; then each finding with its evidence, advice and commands."""
        made = [say_certainty(self.verdict, self.decomposition)]
        for finding in self.findings:
            sentence = say(finding)
            made += [f"{finding.severity}: {sentence.title}", sentence.evidence, sentence.advice, *finding.commands]
        return made

    def __repr__(self) -> str:
        return "\n".join([say(self.verdict).title, *self.lines()])

    def _repr_html_(self) -> str:
        columns, rows = tabulate(self.decomposition)
        said = "".join(map(notebook.text, self.lines()))
        return notebook.block(say(self.verdict).title, notebook.table(columns, rows), said)


def curves(run: RunFolder) -> Image.Image:
    """Loss, accuracy and learning rate by epoch, as a picture."""
    with TemporaryDirectory(prefix="eyas-") as folder:
        file = Path(folder) / "curves.png"
        draw_curves(run.history, file, monitor=run.config().train.monitor)
        return _opened(file)


def classifier_html(title: str, parameters: Sequence[tuple[str, object]], history: History) -> str:
    """The parameters that were given; of a trained one its last epochs too."""
    names = [name for name in COLUMNS if name in history]
    epochs = [[f"{history[name][row]:.4g}" for name in names] for row in range(-min(3, _length(history)), 0)]
    return notebook.block(
        title,
        notebook.table(("parameter", "value"), parameters) if parameters else "",
        notebook.table(names, epochs) if epochs else "",
    )


def _length(history: History) -> int:
    return len(history["epoch"]) if history else 0


def _values(found: Any) -> dict[str, Any]:
    return {one.name: getattr(found, one.name) for one in fields(found)}


def _opened(file: Path) -> Image.Image:
    with Image.open(file) as picture:
        return picture.copy()  # as its file goes
