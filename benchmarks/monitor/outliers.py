"""Which score tells images of unknown classes from those of known ones, by the area under the ROC curve.

near: the 20 classes of CIFAR-100 that `cifar80` was not taught. far: Fashion-MNIST, brought to 32 × 32 × 3.

Scores: MSP (Hendrycks & Gimpel 2017), energy (Liu et al. 2020), GEN (Liu et al. 2023, γ = 0.1, the 100 largest), KNN
(Sun et al. 2022; features of length 1, k = 10 of the bank), distance (`eyas.monitor.distance`), and what the service
says `unknown` by: energy and a third of the distance. AUROC by scikit-learn.
"""

from __future__ import annotations

import argparse

import numpy as np
from models import Answers, unknown_classes, watched
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import roc_auc_score

import eyas
from eyas.monitor.streaming import Scoring

TITLE = "outliers"
NEIGHBOURS, GAMMA, LARGEST = 10, 0.1, 100


def run(options: argparse.Namespace) -> None:
    """Print the table."""
    model = watched("cifar80")
    known, bank = model.of("test"), model.bundle.reference()["features"].astype(np.float32)
    cifar = watched("cifar100").data.test
    near = model.answer(cifar.take(np.flatnonzero(np.isin(cifar.labels, unknown_classes()))))
    far = model.answer(_fashion())
    scoring = Scoring(model.calibration)
    print(f"\nAUROC, {len(known)} images of known classes, {len(near)} near, {len(far)} far")
    scores = [_scores(one, scoring, bank) for one in (known, near, far)]
    for name in scores[0]:
        areas = [
            roc_auc_score(np.repeat([0, 1], [len(known), len(o[name])]), np.concatenate([scores[0][name], o[name]]))
            for o in scores[1:]
        ]
        print("{:10} near {:.1%}   far {:.1%}".format(name, *areas))
    shares = [scoring.score(one.probabilities, one.logits, one.features).unknown.mean() for one in (known, near, far)]
    print("called unknown at 1 %: known {:.1%}, near {:.1%}, far {:.1%}".format(*shares), flush=True)


def _scores(one: Answers, scoring: Scoring, bank: NDArray[np.float32]) -> dict[str, NDArray[np.floating]]:
    """Each (N,), higher for images that are less known."""
    found = scoring.score(one.probabilities, one.logits, one.features)
    largest = np.sort(one.probabilities.astype(np.float64), axis=1)[:, -LARGEST:]
    return {
        "MSP": 1 - found.confidence,
        "energy": found.energy,
        "GEN": (largest**GAMMA * (1 - largest) ** GAMMA).sum(axis=1),
        "KNN": -np.partition(_unit(one.features) @ _unit(bank).T, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS],
        "distance": found.distance,
        "eyas": found.outlier,
    }


def _unit(features: NDArray[np.float32]) -> NDArray[np.float32]:
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def _fashion() -> NDArray[np.uint8]:
    data = eyas.open_dataset(eyas.load_config(None, ["data.source=fashion-mnist"]).data).test.take(slice(None))
    return np.stack([np.asarray(Image.fromarray(image[..., 0]).resize((32, 32)).convert("RGB")) for image in data])
