"""What a bundle says of its accuracy on the test images, and when labels prove that production is elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal

from eyas.bundle import Manifest

Z = 1.959964  # of a normal distribution, 2.5 % lie above
TEST = "test"
ALPHA = 0.05
"""Of the confidence sequence of an accuracy by labels: what a report says is what the service said."""


@dataclass(frozen=True)
class HeldOutAccuracy:
    """The accuracy on the test images, measured before the version was served."""

    accuracy: float
    lower: float
    """With `upper`: the 95 % interval of Wilson (1927), by the number of test images."""
    upper: float

    def place(self, lower: float, upper: float) -> Literal["below", "above", "within"]:
        """Where an accuracy by labels lies: `below` or `above` all that the test images leave open, or `within` reach.

        Args:
            lower: with `upper`, the interval that holds it.
        """
        return "below" if upper < self.lower else "above" if lower > self.upper else "within"


def held_out_accuracy(manifest: Manifest) -> HeldOutAccuracy | None:
    """What a bundle says of its accuracy on n test images; None where it does not.

    The interval is Wilson's (1927): (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n).
    """
    measured = manifest.metrics.get(TEST, {})
    p, n = measured.get("accuracy"), measured.get("images") or manifest.dataset.images.get(TEST, 0)
    if not isinstance(p, int | float) or not 0 <= p <= 1 or not n:
        return None
    middle, half = p + Z**2 / (2 * n), Z * sqrt(p * (1 - p) / n + (Z / (2 * n)) ** 2)
    return HeldOutAccuracy(float(p), (middle - half) / (1 + Z**2 / n), (middle + half) / (1 + Z**2 / n))
