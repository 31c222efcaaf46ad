"""Labels looked at by cross-validation: `eyas data check --labels`."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.core import console
from eyas.core.schema import Config
from eyas.data import Overview, open_dataset
from eyas.data.fixes import image_names
from eyas.diagnose.labels import LabelReport, judge_labels
from eyas.report.data.page import labels_json
from eyas.train.crossval import cross_validate


@dataclass(frozen=True, eq=False)
class Explored:
    """The labels of train and val, judged."""

    judged: LabelReport
    rows: NDArray[np.int64]
    """(N,) the source's row of each position."""
    names: list[str]
    classes: tuple[str, ...]

    def relabels(self) -> list[tuple[int, int, float]]:
        """Row, suggested class and probability of the sure suspects."""
        return [
            (int(self.rows[one.position]), self.classes.index(one.suggested), one.suggested_probability)
            for one in self.judged.sure()
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain values, suspects by name."""
        return labels_json(self.judged, self.rows, self.names)


def explore(settings: Config, overview: Overview, folds: int) -> Explored:
    """Cross-validate the network of the configuration over train and val.

    Raises:
        ConfigError: folds that do not fit.
        DataError: data that cannot be opened.
    """
    dataset = open_dataset(settings.data)
    started = perf_counter()

    def tell(done: int) -> None:
        console.err.print(f"labels: fold {done} of {folds} trained, {perf_counter() - started:.0f} s so far")

    rows, probabilities = cross_validate(settings, dataset, folds, tell)
    judged = judge_labels(probabilities, overview.survey.labels[rows], dataset.classes)
    return Explored(judged, rows, image_names(overview.survey.names), dataset.classes)
