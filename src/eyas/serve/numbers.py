"""Numbers as they are written in JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST = 1e-45  # float32's least positive value; zero has no logarithm
FEW = 256  # values up to which Python is faster than so many calls of NumPy


def short(values: NDArray[np.float32]) -> list[Any]:
    """Values to 9 significant digits: the fewest that tell every float32 apart; JSON would write up to 17.

    Args:
        values: of one or two dimensions.

    Returns:
        The same, in lists.
    """
    if values.size <= FEW:
        rows = [[float(f"{value:.9g}") for value in row] for row in np.atleast_2d(values).tolist()]
        return rows if values.ndim == 2 else rows[0]
    exact = values.astype(np.float64)
    scale = 10.0 ** (8 - np.floor(np.log10(np.maximum(np.abs(exact), SMALLEST))))
    shortened: list[Any] = (np.rint(exact * scale) / scale).tolist()
    return shortened
