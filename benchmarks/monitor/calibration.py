"""Whether the probabilities and the sets of classes hold what they promise, on the test images.

ECE: expected calibration error in 15 bins, before and after the temperature that `export` fitted to held-out images.
"""

from __future__ import annotations

import argparse

from models import REAL, watched

from eyas.evaluate import prediction_sets, quick_scores
from eyas.evaluate.calibration import softmax

TITLE = "calibration"


def run(options: argparse.Namespace) -> None:
    """Print a line for each model."""
    print()
    for name in REAL:
        model = watched(name)
        test, manifest = model.of("test"), model.bundle.manifest
        before, after = (quick_scores(p, test.labels) for p in (softmax(test.logits), test.probabilities))
        sets = prediction_sets(test.probabilities, manifest.conformal.threshold)
        held = sets[range(len(test)), test.labels].mean()
        print(
            f"{name}: accuracy {after.accuracy:.2%}, ECE {before.ece:.2%} → {after.ece:.2%} (temperature "
            f"{manifest.temperature:.3f}); sets of {manifest.conformal.coverage:.0%} hold the true class of {held:.2%}"
            f", {sets.sum(axis=1).mean():.2f} classes each",
            flush=True,
        )
