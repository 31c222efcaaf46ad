"""Numbers as they are written in JSON."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SMALLEST = 1e-45  # float32's least positive value; zero has no logarithm


def short(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Values to 9 significant digits: the fewest that tell every float32 apart; JSON would write up to 17."""
    exact = values.astype(np.float64)
    scale = 10.0 ** (8 - np.floor(np.log10(np.maximum(np.abs(exact), SMALLEST))))
    shortened: NDArray[np.float64] = np.rint(exact * scale) / scale
    return shortened
