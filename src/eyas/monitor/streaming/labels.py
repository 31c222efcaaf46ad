"""Label shift: p(y) changes while p(x | y) stays. The new shares, from predictions alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

MAX_STEPS = 200
TOLERANCE = 1e-5


def likeliest_shares(probabilities: Floats, prior: Floats) -> NDArray[np.float64]:
    """Shares of the true classes that make the new images likeliest, by expectation maximisation.

    Repeats q_k ← mean over images of (p_k q_k / π_k) / Σ_j (p_j q_j / π_j) from q = π. The likelihood is concave in q,
    so what it comes to is the maximum.

    Args:
        probabilities: (n, K), calibrated.
        prior: π (K,), what the probabilities take the shares to be: their mean over held-out images. A class with
            share 0 keeps it.

    Returns:
        (K,) at least 0, sum 1.

    Source: Saerens, Latinne & Decaestecker 2002, *Adjusting the Outputs of a Classifier to New a Priori
    Probabilities*, eq. 2.9; Alexandari, Kundaje & Shrikumar 2020 on calibration and concavity.
    """
    known = prior > 0
    ratios = np.where(known, probabilities / np.where(known, prior, 1), 0).astype(np.float64)
    shares = _normalised(prior.astype(np.float64), prior)
    for _ in range(MAX_STEPS):
        joint = ratios * shares
        likelihoods = np.maximum(joint.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        found = _normalised((joint / likelihoods).mean(axis=0), prior)
        moved = float(np.abs(found - shares).sum())
        shares = found
        if moved < TOLERANCE:
            break
    return shares


def _normalised(values: NDArray[np.float64], otherwise: Floats) -> NDArray[np.float64]:
    total = float(values.sum())
    held = values if total > 0 else otherwise.astype(np.float64)
    shares: NDArray[np.float64] = held / max(float(held.sum()), np.finfo(float).tiny)
    return shares
