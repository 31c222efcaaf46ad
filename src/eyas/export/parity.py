"""The proof that ONNX Runtime answers as PyTorch does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from eyas.bundle import Parity
from eyas.core.errors import ParityError

Outputs = Mapping[str, NDArray[np.float32]]


def prove_parity(expected: Outputs, actual: Outputs, *, split: str, tolerance: float) -> Parity:
    """Compare two sets of answers to the same N images.

    For each output, the difference is max |a - b| / max(1, max |a|): absolute for probabilities, relative for logits
    and features of larger size. Two classes may change places only where their probabilities are a tie within
    the tolerance.

    Args:
        expected: `logits`, `probabilities`, `features` by PyTorch in float32, each (N, …).
        actual: the same by ONNX Runtime.
        split: which split the images are.
        tolerance: the largest difference allowed in any output.

    Raises:
        ParityError: a larger difference, a value that is no number, or another class without a tie.
    """
    differences = {name: _difference(expected[name], actual[name]) for name in expected}
    for name, difference in differences.items():
        if not difference <= tolerance:  # also where it is NaN
            gaps = np.abs(expected[name] - actual[name]).reshape(len(expected[name]), -1).max(axis=1)
            raise ParityError(
                f"ONNX Runtime must give PyTorch's {name} within {tolerance:g} (export.tolerance), got a difference "
                f"of {difference:g} on image {int(gaps.argmax())} of the {split} split"
            )
    before, after = (answers["probabilities"].argmax(axis=1) for answers in (expected, actual))
    rows = np.arange(len(before))
    gap = expected["probabilities"][rows, before] - expected["probabilities"][rows, after]
    if (flipped := np.flatnonzero(gap > tolerance)).size:
        raise ParityError(
            f"ONNX Runtime must predict PyTorch's class on every image of the {split} split but for ties within "
            f"{tolerance:g}, got another on {flipped.size} of {len(rows)}, the first image {flipped[0]}"
        )
    return Parity(
        split=split,
        images=len(rows),
        differences=differences,
        agreement=float((before == after).mean()),
        tolerance=tolerance,
    )


def _difference(expected: NDArray[np.float32], actual: NDArray[np.float32]) -> float:
    return float(np.abs(expected - actual).max() / max(1.0, float(np.abs(expected).max())))
