"""The proof that ONNX Runtime answers as PyTorch does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan

import numpy as np
from numpy.typing import NDArray

from eyas.bundle import Parity
from eyas.core.errors import ParityError

Outputs = Mapping[str, NDArray[np.float32]]


@dataclass
class _Largest:
    """Over the images so far, of one output."""

    value: float = 0.0
    """max |a|, a by PyTorch."""
    gap: float = 0.0
    """max |a - b|, b by ONNX Runtime."""
    image: int = 0
    """Where the gap is."""

    def difference(self) -> float:
        """max |a - b| / max(1, max |a|)."""
        return self.gap / max(1.0, self.value)


class Proof:
    """Compares two sets of answers to the same images, a batch at a time.

    For each output, the difference is max |a - b| / max(1, max |a|): absolute for probabilities, relative for logits,
    features and maps of larger size. Two classes may change places only where their probabilities are a tie within
    the tolerance.

    Args:
        split: which split the images are.
        tolerance: the largest difference allowed in any output.
        original: who gave the answers that are expected, for messages.
    """

    def __init__(self, split: str, tolerance: float, original: str = "PyTorch") -> None:
        self.split, self.tolerance, self.original = split, tolerance, original
        self._largest: dict[str, _Largest] = {}
        self._images = self._agreed = 0
        self._flipped: list[int] = []

    def add(self, expected: Outputs, actual: Outputs) -> None:
        """Compare the answers to n more images.

        Args:
            expected: by output, PyTorch's in float32, each (n, …); `probabilities` must be among them.
            actual: the same by ONNX Runtime.
        """
        for name, values in expected.items():
            self._compare(self._largest.setdefault(name, _Largest()), values, actual[name])
        before, after = (answers["probabilities"].argmax(axis=1) for answers in (expected, actual))
        rows = np.arange(len(before))
        gap = expected["probabilities"][rows, before] - expected["probabilities"][rows, after]
        self._flipped += (self._images + np.flatnonzero(gap > self.tolerance)).tolist()
        self._agreed += int((before == after).sum())
        self._images += len(rows)

    def _compare(self, largest: _Largest, expected: NDArray[np.float32], actual: NDArray[np.float32]) -> None:
        gaps = np.abs(expected - actual).reshape(len(expected), -1).max(axis=1)
        largest.value = max(largest.value, float(np.abs(expected).max()))
        image = int(gaps.argmax())  # NaN counts as the largest
        if not (isnan(largest.gap) or gaps[image] <= largest.gap):
            largest.gap, largest.image = float(gaps[image]), self._images + image

    def finish(self) -> Parity:
        """What was proved.

        Raises:
            ParityError: a larger difference, a value that is no number, or another class without a tie.
        """
        for name, largest in self._largest.items():
            if not largest.difference() <= self.tolerance:  # also where it is NaN
                raise ParityError(
                    f"ONNX Runtime must give {self.original}'s {name} within {self.tolerance:g} (export.tolerance), "
                    f"got a difference of {largest.difference():g} on image {largest.image} of the {self.split} split"
                )
        if self._flipped:
            raise ParityError(
                f"ONNX Runtime must predict {self.original}'s class on every image of the {self.split} split but for "
                f"ties within {self.tolerance:g}, got another on {len(self._flipped)} of {self._images}, the first "
                f"image {self._flipped[0]}"
            )
        return Parity(
            split=self.split,
            images=self._images,
            differences={name: largest.difference() for name, largest in self._largest.items()},
            agreement=self._agreed / self._images,
            tolerance=self.tolerance,
        )


def prove_parity(expected: Outputs, actual: Outputs, *, split: str, tolerance: float) -> Parity:
    """`Proof` of all images at once: the answers by output, each (N, …), N at least 1.

    Raises:
        ParityError: a larger difference, a value that is no number, or another class without a tie.
    """
    proof = Proof(split, tolerance)
    proof.add(expected, actual)
    return proof.finish()
