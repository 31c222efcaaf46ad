"""Why a model answered so: which parts of an image speak for a class. NumPy and the graph alone; no torch.

image ─► method, which hides parts and asks again ─► map ─► reliability: does hiding by this map matter more than by
                                                            maps that mean nothing?
"""

from eyas.explain.asking import Asker, OutOfTimeError, Predict
from eyas.explain.explaining import METHODS, Explanation, explain
from eyas.explain.reliability import Reliability, measure_reliability

__all__ = [
    "METHODS",
    "Asker",
    "Explanation",
    "OutOfTimeError",
    "Predict",
    "Reliability",
    "explain",
    "measure_reliability",
]
