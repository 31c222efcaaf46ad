"""A trained network over a whole split, in float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eyas.data import Split
from eyas.nn.network import Network

BATCH = 512
PIXELS = 512 * 64 * 64  # in a batch: larger images come in smaller ones, so that memory stays bounded


@dataclass(frozen=True)
class Outputs:
    """What a network says of N images."""

    logits: NDArray[np.float32]
    """(N, K) float32."""
    features: NDArray[np.float32]
    """(N, D) float32."""
    cam: NDArray[np.float32] | None = None
    """(N, K, h, w) float32 class activation maps, where asked for and to be had."""


def run_network(network: Network, split: Split, batch: int = BATCH, *, mirrored: bool = False) -> Outputs:
    """Logits and features of every image of the split, in its order, on the network's device.

    Where `mirrored`, left and right of each image change places.

    An empty split gives (0, K) and (0, D): the network then sees one blank image, for its widths alone.
    """
    parts = [some for _, some in run_in_parts(network, split, batch, cam=False, mirrored=mirrored)]
    if not parts:
        blank = _run(network, np.zeros_like(split.images[:1]), cam=False)
        return Outputs(blank.logits[:0], blank.features[:0])
    return Outputs(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("logits", "features")))


def run_in_parts(
    network: Network, split: Split, batch: int = BATCH, *, cam: bool = True, mirrored: bool = False
) -> Iterator[tuple[NDArray[np.uint8], Outputs]]:
    """The split's images in its order, a batch at a time, (n, H, W, C) uint8, and what the network says of them.

    Maps of a whole split can be larger than memory: K · h · w numbers an image.
    """
    height, width = network.computes_at or split.images.shape[1:3]
    step = max(1, min(batch, PIXELS // (height * width)))
    for start in range(0, len(split), step):
        images = split.take(slice(start, start + step))
        if mirrored:
            images = np.ascontiguousarray(images[:, :, ::-1])
        yield images, _run(network, images, cam)


@torch.inference_mode()
def _run(network: Network, images: NDArray[np.uint8], cam: bool) -> Outputs:
    network.eval()
    pixels = torch.from_numpy(images).to(next(network.buffers()).device)
    if not cam:
        logits, features = network.logits_and_features(pixels)
        return Outputs(_array(logits), _array(features))
    logits, features, maps = network.outputs(pixels)
    return Outputs(_array(logits), _array(features), None if maps is None else _array(maps))


def _array(values: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.float().cpu().numpy()
    return array
