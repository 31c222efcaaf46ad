"""Dense layers fitted to features, under several strengths of weight decay at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, cos, pi

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from eyas.nn.pretrained import PretrainedNetwork
from eyas.train.loop import batches
from eyas.train.loss import Loss
from eyas.train.optim.optimizers import Adam
from eyas.train.transfer.feed import FeatureFeed, ViewOfEpoch

DECAYS = (0.1, 0.3, 1.0, 3.0, 10.0)
USUAL = 1.0  # without validation images
EPOCHS, LEAST_STEPS = 10, 300
RATE, BETAS = 1e-3, (0.9, 0.99)


@dataclass(frozen=True)
class Head:
    """A dense layer, and how strongly its weights decayed while it was fitted."""

    weight: Tensor
    """(K, D) float32."""
    bias: Tensor
    """(K,) float32."""
    decay: float
    val_losses: dict[float, float]
    """Of every strength tried; empty without validation images."""


def fit_head(
    network: PretrainedNetwork,
    train: FeatureFeed,
    val: FeatureFeed,
    loss: Loss,
    batch_size: int,
    seed: int,
    decays: Sequence[float] = DECAYS,
) -> Head:
    """The layer whose weight decay gives the lowest validation loss.

    All strengths learn from the same batches, as columns of one layer: AdamW from 0, with the rate on half a cosine.
    The network itself, whose features are already standardised, is left as it is.
    """
    chosen = tuple(decays) if len(val) else (USUAL,)
    layer = _Layers(len(chosen), network.classes, network.width, train.device)
    _train(layer, network, train, loss, batch_size, seed, torch.tensor(chosen, device=train.device))
    losses = dict(zip(chosen, _val_losses(layer, network, val), strict=True)) if len(val) else {}
    best = min(range(len(chosen)), key=lambda index: losses.get(chosen[index], 0.0))
    return Head(*layer.head(best), chosen[best], losses)


class _Layers:
    """G dense layers side by side: (n, D) → (n, K, G)."""

    def __init__(self, count: int, classes: int, features: int, device: torch.device) -> None:
        self.count, self.classes = count, classes
        self.weight = torch.nn.Parameter(torch.zeros(count * classes, features, device=device))
        self.bias = torch.nn.Parameter(torch.zeros(count * classes, device=device))

    def __call__(self, features: Tensor) -> Tensor:
        logits = torch.nn.functional.linear(features, self.weight, self.bias)
        return logits.view(len(features), self.count, self.classes).transpose(1, 2)

    def head(self, index: int) -> tuple[Tensor, Tensor]:
        """(K, D) weights and (K,) biases of one of them."""
        rows = slice(index * self.classes, (index + 1) * self.classes)
        return self.weight.detach()[rows].clone(), self.bias.detach()[rows].clone()


def _train(
    layers: _Layers,
    network: PretrainedNetwork,
    train: FeatureFeed,
    loss: Loss,
    batch_size: int,
    seed: int,
    decays: Tensor,
) -> None:
    optimizer = Adam([layers.weight, layers.bias], RATE, betas=BETAS)
    view = ViewOfEpoch(train.views, seed)
    shrinking = decays.repeat_interleave(layers.classes)[:, None]
    steps = len(batches(len(train), batch_size, seed, 0))
    epochs = max(EPOCHS, ceil(LEAST_STEPS / steps))
    for epoch in range(epochs):
        for step, rows in enumerate(batches(len(train), batch_size, seed, epoch)):
            batch = view(*train.take(rows), rows, epoch, step)
            answers = layers(network.standardise(batch.images))
            labels = batch.labels[:, None].expand(-1, layers.count)
            found = cross_entropy(answers, labels, reduction="none", label_smoothing=loss.smoothing)
            if loss.class_weight is not None:
                found = found * loss.class_weight[batch.labels][:, None]
            torch.autograd.backward(found.mean(0).sum())
            optimizer.schedule((1 + cos(pi * (epoch * steps + step) / (epochs * steps))) / 2)
            with torch.no_grad():
                layers.weight.mul_(1 - optimizer.rate * shrinking)
            optimizer.step()
            optimizer.zero_grad()


@torch.inference_mode()
def _val_losses(layers: _Layers, network: PretrainedNetwork, val: FeatureFeed) -> list[float]:
    total = torch.zeros(layers.count, device=val.device)
    for rows in np.array_split(np.arange(len(val)), ceil(len(val) / 1024)):
        features, labels = val.take(rows)
        answers = layers(network.standardise(features))
        total += cross_entropy(answers, labels[:, None].expand(-1, layers.count), reduction="none").sum(0)
    losses: list[float] = (total / len(val)).tolist()
    return losses
