"""The proof that ONNX Runtime answers as PyTorch does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eyas.bundle import Parity
from eyas.core.errors import ParityError


def prove_parity(expected: NDArray[np.float32], actual: NDArray[np.float32], *, split: str, tolerance: float) -> Parity:
    """Compare two sets of answers to the same images.

    A different predicted class is an error only where it is no tie: where the two classes' probabilities
    lie further apart than the tolerance.

    Args:
        expected: (N, K) probabilities by PyTorch in float32.
        actual: (N, K) probabilities by ONNX Runtime.
        split: which split the images are.
        tolerance: the largest difference allowed in any probability.

    Raises:
        ParityError: a larger difference, a value that is no number, or another class.
    """
    difference = float(np.abs(expected - actual).max())
    same = expected.argmax(1) == actual.argmax(1)
    if not difference <= tolerance:  # also where it is NaN
        worst = int(np.abs(expected - actual).max(axis=1).argmax())
        raise ParityError(
            f"ONNX Runtime must give PyTorch's probabilities within {tolerance:g} (export.tolerance), got a "
            f"difference of {difference:g} on image {worst} of the {split} split; {int((~same).sum())} of "
            f"{len(same)} predicted classes differ"
        )
    return Parity(
        split=split, images=len(same), max_difference=difference, agreement=float(same.mean()), tolerance=tolerance
    )
