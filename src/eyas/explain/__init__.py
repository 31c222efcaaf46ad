"""Why a model answered so: which parts of an image speak for a class. NumPy and the graph alone; no torch.

image ─► method, which hides parts and asks again ─► map ─► reliability: does hiding by this map matter more than by
                                                            maps that mean nothing?

`eyas.attribution` adds the methods that need a network's gradients.
"""

from eyas.explain.asking import Asker, OutOfTimeError, Predict
from eyas.explain.explaining import GRADIENTS, METHODS, explain
from eyas.explain.explanation import Answering, Explanation, Sums
from eyas.explain.reliability import Reliability, measure_reliability

__all__ = [
    "GRADIENTS",
    "METHODS",
    "Answering",
    "Asker",
    "Explanation",
    "OutOfTimeError",
    "Predict",
    "Reliability",
    "Sums",
    "explain",
    "measure_reliability",
]
