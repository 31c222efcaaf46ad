"""The validation split at the end of an epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from eyas.evaluate import Scores, quick_scores, softmax
from eyas.train.feed import Feed
from eyas.train.precision import autocast
from eyas.train.step import Learner

BATCH = 1024
PIXELS = 1024 * 32 * 32  # in a batch: larger images come in smaller ones


@dataclass(frozen=True)
class Validation:
    """What the network does on images that it does not learn from."""

    loss: float
    """Mean cross entropy of unsmoothed labels, with the L2 penalty, as Keras counts it."""
    scores: Scores | None
    """None where a logit is not finite."""
    predictions: NDArray[np.int64]
    """(N,) classes, in the split's order."""


@torch.inference_mode()
def validate(learner: Learner, feed: Feed) -> Validation:
    """Measure the network, in evaluation mode, at the precision of training; each process takes its part."""
    network = learner.answering.eval()
    learner.workers.same_buffers(network)
    rows = learner.workers.shard(np.arange(len(feed)))
    height, width = network.computes_at or feed.split.images.shape[1:3]
    size = max(16, min(BATCH, PIXELS // (height * width)))
    parts = []
    for start in range(0, max(len(rows), 1), size):
        images, _ = feed.take(rows[start : start + size])
        with autocast(feed.device, learner.precision):
            parts.append(network(images).float())
    answers = learner.workers.all_gather(torch.cat(parts)).cpu()
    labels = feed.split.labels
    loss = float(cross_entropy(answers, torch.tensor(labels))) + float(network.penalty())
    logits = answers.numpy()
    scores = quick_scores(softmax(logits), labels) if np.isfinite(logits).all() else None
    return Validation(loss, scores, logits.argmax(axis=1))
