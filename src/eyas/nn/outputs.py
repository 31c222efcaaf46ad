"""A trained network over a whole split, in float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from eyas.data import Split
from eyas.nn.network import Network

BATCH = 512


@dataclass(frozen=True)
class Outputs:
    """What a network says of N images."""

    logits: NDArray[np.float32]
    """(N, K) float32."""
    features: NDArray[np.float32]
    """(N, D) float32."""


@torch.inference_mode()
def run_network(network: Network, split: Split, batch: int = BATCH) -> Outputs:
    """Logits and features of every image of the split, in its order, on the network's device."""
    network.eval()
    device = next(network.buffers()).device
    logits, features = [], []
    for start in range(0, len(split), batch):
        images = torch.from_numpy(split.take(slice(start, start + batch))).to(device)
        some_logits, some_features = network.logits_and_features(images)
        logits.append(some_logits.float().cpu().numpy())
        features.append(some_features.float().cpu().numpy())
    if not logits:
        empty = np.zeros((0, 0), np.float32)
        return Outputs(empty, empty)
    return Outputs(np.concatenate(logits), np.concatenate(features))
