"""Labels that the images do not bear out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from eyas.diagnose.evidence import Answers, Evidence
from eyas.diagnose.findings import Finding

# Confidently contradicted labels on both splits from which they are reported. Public sets have 0.5 to 6 % label errors
# in their test splits (Northcutt et al. 2021, NeurIPS datasets track, table 1).
NOISY = 0.08
SURE = 0.5
# Of an accuracy by chance: learnt is what lies this far above it, not learnt what does not even lie `AT_CHANCE` above.
DEVIATIONS, AT_CHANCE = 4.0, 2.5


def of_labels(evidence: Evidence) -> Iterator[Finding]:
    """Labels that say nothing about the images, or contradict many of them."""
    train, val = evidence.first.train, evidence.first.val
    if _is_random(evidence):
        yield Finding(
            "random-labels",
            "problem",
            {
                "val_accuracy": 1 - val.error,
                "train_accuracy": max(1 - train.error, float(np.nanmax(evidence.history["accuracy"]))),
                "chance": evidence.chance,
                "images": val.images,
            },
        )
        return
    shares = [float(contradicted(answers).mean()) for answers in (train, val)]
    if min(shares) > NOISY:
        yield Finding("noisy-labels", "problem", {"train": shares[0], "val": shares[1]})


def contradicted(answers: Answers) -> NDArray[np.bool_]:
    """(N,) whether another class than the label is as probable as that class usually is for its own images.

    t_k is the mean probability of class k over the images labelled k; a label is contradicted by a class k that is not
    it, with p_k ≥ max(t_k, ½). The floor is ours: without it a weak network, whose every t_k is small, contradicts
    much of what is right.

    Source: Northcutt, Jiang & Chuang 2021, *Confident Learning*, eq. 1-2.
    """
    probs, labels = answers.probabilities, answers.labels
    classes = probs.shape[1]
    own = probs[np.arange(len(labels)), labels]
    counts = np.bincount(labels, minlength=classes)
    thresholds = np.bincount(labels, weights=own, minlength=classes) / np.maximum(counts, 1)
    thresholds[counts == 0] = 1.0
    predicted = probs.argmax(axis=1)
    sure = probs.max(axis=1) >= np.maximum(thresholds[predicted], SURE)
    found: NDArray[np.bool_] = sure & (predicted != labels)
    return found


def _is_random(evidence: Evidence) -> bool:
    """Learnt by heart, or tried to, and no better than chance on images that were not seen.

    Accuracy on n images by chance alone has the deviation √(c (1 - c) / n).
    """
    chance, train, val = evidence.chance, evidence.first.train, evidence.first.val

    def above(answers: Answers) -> float:
        deviation = (chance * (1 - chance) / answers.images) ** 0.5
        return float((1 - answers.error - chance) / deviation)

    gained = float(np.nanmax(evidence.history["accuracy"])) - chance
    learnt = above(train) > DEVIATIONS or gained > 0.1
    return learnt and above(val) < AT_CHANCE and gained > 3 * (1 - val.error - chance)
