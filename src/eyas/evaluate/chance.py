"""Whether answers say anything of the images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eyas.evaluate.mcnemar import at_least

DEVIATIONS = 2.0  # above chance, which is more than chance
KNOWS = 0.5  # of what chance leaves wrong, what a model has right that knows the classes
ALPHA = 0.01


def is_blind(labels: NDArray[np.int64], answers: NDArray[np.int64], classes: int) -> bool:
    """Whether there is no sign that the answers follow the images, and enough images for one.

    Of n images, class k is the label of a_k and the answer for b_k. Where the one does not depend on the other, the
    number right has the mean μ = Σ a_k b_k / n, and over all orders of the labels the variance
    (n μ + μ² - Σ a_k b_k (a_k + b_k) / n) / (n - 1). That no more are right than μ and two deviations is no sign. It
    tells only where a model that has half of the n - μ others right would hardly have so few: by P(X ≤ right) below
    1 %, X ~ Bin(n, (n + μ) / 2n). So a rare class, a single one or a handful of images makes no model blind.

    Args:
        labels: (N,), N at least 1.
        answers: (N,) which class is given, as a label.
        classes: how many there are.

    Source: Fleiss, Cohen & Everitt 1969, *Large sample standard errors of kappa*: chance given both margins.
    """
    n, right = len(labels), int((labels == answers).sum())
    a, b = (np.bincount(values, minlength=classes).astype(np.float64) for values in (labels, answers))
    mean = float((a * b).sum()) / n
    variance = (n * mean + mean**2 - float((a * b * (a + b)).sum()) / n) / max(1, n - 1)
    if right == n or right > mean + DEVIATIONS * max(0.0, variance) ** 0.5:
        return False
    wrong = (1 - KNOWS) * (1 - mean / n)  # of a model that knows the classes
    return at_least(n - right, n, wrong) < ALPHA
