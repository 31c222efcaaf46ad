"""How good a classifier is, how sure it may be, and which answers it should give as a set. NumPy only."""

from eyas.evaluate.bootstrap import Interval
from eyas.evaluate.calibration import fit_temperature, softmax
from eyas.evaluate.conformal import fit_threshold, prediction_sets
from eyas.evaluate.metrics import (
    Averages,
    Evaluation,
    ReliabilityBins,
    Scores,
    confusion_matrix,
    evaluate,
    quick_scores,
)
from eyas.evaluate.paired import paired_difference

__all__ = [
    "Averages",
    "Evaluation",
    "Interval",
    "ReliabilityBins",
    "Scores",
    "confusion_matrix",
    "evaluate",
    "fit_temperature",
    "fit_threshold",
    "paired_difference",
    "prediction_sets",
    "quick_scores",
    "softmax",
]
