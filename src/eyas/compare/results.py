"""What the finished runs of a study say, arm by arm and pair by pair. Ranked by validation accuracy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.compare.convergence import Curve, Speed, common_target, speed
from eyas.compare.job import DIVERGED, find_run, read_predictions
from eyas.compare.plan import Plan, Study, Training
from eyas.compare.statistics import Estimate, estimate, paired
from eyas.core import io
from eyas.core.errors import TrainingError
from eyas.core.runs import RunFolder
from eyas.core.schema import Config
from eyas.data import Dataset
from eyas.diagnose.history import History, best_epoch, read_history
from eyas.evaluate.paired import holm

Right = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Trained:
    """The runs of one training, a seed each."""

    label: str
    tracked: str
    runs: tuple[RunFolder, ...]
    diverged: str | None
    """Why, where a seed did: the training then has no figures, and all that follows is empty."""
    histories: tuple[History, ...] = ()
    kept: tuple[int, ...] = ()
    """Row of each history whose weights were kept."""
    val: Right = field(default_factory=lambda: np.empty((0, 0), np.bool_))
    """(S, N) right or wrong on the validation images, by the kept weights."""
    test: Right | None = None
    """(S, M) on the test images; None without any."""

    def curves(self, column: str) -> list[Curve]:
        """A column by epoch, for each seed."""
        return [history[column] for history in self.histories]

    def kept_values(self, column: str) -> list[float]:
        """A column at the kept epoch, for each seed."""
        return [float(history[column][row]) for history, row in zip(self.histories, self.kept, strict=True)]


@dataclass(frozen=True, eq=False)
class ArmResult:
    """One arm of a study."""

    name: str
    trained: Trained
    val: Estimate
    """Validation accuracy."""
    test: Estimate | None
    """Test accuracy: for information, it decides nothing."""
    train: float
    """Training accuracy at the kept epoch, in training mode, mean over seeds."""
    speed: Speed


@dataclass(frozen=True)
class Pair:
    """Two arms, the better by validation first."""

    better: str
    other: str
    val: Estimate
    """Difference in validation accuracy."""
    p: float
    """Of it, corrected for all pairs of the study (Holm)."""
    test: Estimate | None
    """Difference in test accuracy, uncorrected, for information."""


@dataclass(frozen=True, eq=False)
class StudyResult:
    """A study's arms from the best to the worst by validation accuracy, and all pairs of them."""

    name: str
    seeds: tuple[int, ...]
    target: float
    arms: tuple[ArmResult, ...]
    pairs: tuple[Pair, ...]
    diverged: Mapping[str, str]
    """Arms without figures, and why."""

    def pair(self, better: str, other: str) -> Pair:
        """The pair of these arms."""
        return next(pair for pair in self.pairs if (pair.better, pair.other) == (better, other))


def read_trained(training: Training, configs: Sequence[Config], dataset: Dataset) -> Trained:
    """The finished runs of a training.

    Args:
        training: which.
        configs: of its runs, a seed each.
        dataset: whose validation and test images were predicted.
    """
    runs = tuple(run for run in map(find_run, configs) if run is not None)
    for run in runs:
        if (run.path / DIVERGED).exists():
            return Trained(training.label, training.tracked, runs, io.read_json(run.path / DIVERGED)["reason"])
    predicted = [read_predictions(run) for run in runs]
    histories = tuple(read_history(run.history) for run in runs)
    right = {
        split.name: np.stack([answers[split.name] == split.labels for answers in predicted])
        for split in (dataset.val, dataset.test)
        if len(split)
    }
    monitor = training.config.train.monitor
    kept = tuple(best_epoch(history, monitor)[0] for history in histories)
    return Trained(training.label, training.tracked, runs, None, histories, kept, right["val"], right.get("test"))


def compare_study(study: Study, plan: Plan, trained: Mapping[str, Trained]) -> StudyResult:
    """Rank the arms of a study and test each pair.

    Args:
        trained: arm → its runs.

    Raises:
        TrainingError: every arm diverged.
    """
    sound = {arm.name: trained[arm.name] for arm in study.arms if trained[arm.name].diverged is None}
    diverged = {arm.name: str(trained[arm.name].diverged) for arm in study.arms if arm.name not in sound}
    if not sound:
        raise TrainingError(f"every arm of {study.name} diverged: {next(iter(diverged.values()))}")
    curves = [curve for runs in sound.values() for curve in runs.curves("val_accuracy")]
    target = plan.target or common_target(curves)
    arms = [_arm(name, runs, target) for name, runs in sound.items()]
    arms.sort(key=lambda arm: -arm.val.mean)
    couples = list(combinations(arms, 2))
    found = [paired(one.trained.val, other.trained.val) for one, other in couples]
    corrected = holm([pair.p for pair in found])
    pairs = [
        Pair(one.name, other.name, val, p, _paired_test(one.trained, other.trained))
        for (one, other), val, p in zip(couples, found, corrected, strict=True)
    ]
    return StudyResult(study.name, plan.seeds, target, tuple(arms), tuple(pairs), diverged)


def _arm(name: str, runs: Trained, target: float) -> ArmResult:
    return ArmResult(
        name=name,
        trained=runs,
        val=estimate(runs.val),
        test=estimate(runs.test) if runs.test is not None else None,
        train=float(np.mean(runs.kept_values("accuracy"))),
        speed=speed(runs.curves("val_accuracy"), runs.curves("seconds"), target),
    )


def _paired_test(one: Trained, other: Trained) -> Estimate | None:
    return paired(one.test, other.test) if one.test is not None and other.test is not None else None


def to_json(result: StudyResult) -> dict[str, Any]:
    """All of it as plain values."""
    return {
        "study": result.name,
        "seeds": list(result.seeds),
        "ranked_by": "val_accuracy",
        "target_val_accuracy": result.target,
        "arms": [
            {
                "arm": arm.name,
                "runs": [run.path.name for run in arm.trained.runs],
                "val_accuracy": _without_p(arm.val),
                "train_accuracy": arm.train,
                "convergence": arm.speed.to_json(),
                "final_test_accuracy": _without_p(arm.test) if arm.test else None,
            }
            for arm in result.arms
        ],
        "pairs": [
            {
                "better": pair.better,
                "other": pair.other,
                "val_difference": pair.val.to_json(),
                "p_holm": pair.p,
                "test_difference": pair.test.to_json() if pair.test else None,
            }
            for pair in result.pairs
        ],
        "diverged": dict(result.diverged),
    }


def _without_p(found: Estimate) -> dict[str, float]:
    """That an accuracy is not 0 needs no test."""
    return {name: value for name, value in found.to_json().items() if name != "p"}
