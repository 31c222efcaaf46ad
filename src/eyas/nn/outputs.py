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
    """Logits and features of every image of the split, in its order, on the network's device.

    An empty split gives (0, K) and (0, D): the network then sees one blank image, for its widths alone.
    """
    network.eval()
    device = next(network.buffers()).device
    logits, features = [], []
    for start in range(0, max(len(split), 1), batch):
        images = split.take(slice(start, start + batch)) if len(split) else np.zeros_like(split.images[:1])
        some_logits, some_features = network.logits_and_features(torch.from_numpy(images).to(device))
        logits.append(some_logits.float().cpu().numpy())
        features.append(some_features.float().cpu().numpy())
    return Outputs(np.concatenate(logits)[: len(split)], np.concatenate(features)[: len(split)])
