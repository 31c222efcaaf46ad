"""The whitened stem: a frozen first layer that decorrelates the pixels of each 2×2 patch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

from eyas.nn.network import Network

SIDE = 2
# Of the mean eigenvalue: directions with less variance than this are noise, and are not blown up to unit variance.
EPSILON = 5e-4
PIXELS = 1 << 18  # whitened at a time


class Whitening(nn.Conv2d):
    """A frozen 2×2 convolution without padding: (N, C, H, W) → (N, 8 C, H - 1, W - 1).

    The first 4 C kernels are v_i / √(λ_i + ε), λ_i ≥ λ_{i+1} and v_i the eigenvalues and eigenvectors of the
    covariance of the training patches, so that their outputs have unit variance and no correlation; the others are
    their negatives, so that an activation that cuts off one side loses nothing. The bias is learned. Until `fit`, the
    kernels pick the single pixels of the patch.

    Source: Jordan 2024 (arXiv 2404.00498), §3.2, after Page 2019.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 2 * channels * SIDE**2, SIDE)
        self.weight.requires_grad_(False)
        with torch.no_grad():
            for kernels, sign in zip(self.weight.zero_().flatten(1).chunk(2), (1, -1), strict=True):
                kernels.fill_diagonal_(sign)

    @torch.no_grad()
    def fit(self, images: Iterable[Tensor]) -> None:
        """Take the kernels from batches of normalised training images, each (n, C, H, W) float32."""
        covariance = patch_covariance(images)
        values, vectors = torch.linalg.eigh(covariance)
        scale = values.mean() if values.mean() > 1e-9 else 1.0  # images of one colour have no variance but rounding
        rows = (vectors / (values.clamp(min=0) + EPSILON * scale).sqrt()).T.flip(0)
        self.weight.copy_(torch.cat([rows, -rows]).view_as(self.weight))


def patch_covariance(images: Iterable[Tensor]) -> Tensor:
    """(4 C, 4 C) float64: the covariance of all 2×2 patches of the images, C the slowest of the three axes."""
    count, total, products = 0, torch.zeros(()), torch.zeros(())
    for batch in images:
        patches = unfold(batch, SIDE).transpose(0, 1).flatten(1).double()
        count += patches.shape[1]
        total = total + patches.sum(1)
        products = products + patches @ patches.T
    mean = total / count
    return products / count - torch.outer(mean, mean)


def fit_stem(network: Network, images: Tensor) -> None:
    """Fit a whitened stem to training images; once, before training. Nothing happens to a network without one.

    Args:
        images: (n, H, W, C) uint8 training images on any device; some thousands will do.
    """
    stem = network.body[0] if isinstance(network.body, nn.Sequential) and len(network.body) else None
    if isinstance(stem, Whitening):
        stem.fit(_normalised(network, images, stem.weight.device))


def _normalised(network: Network, images: Tensor, device: torch.device) -> Iterator[Tensor]:
    at_once = max(1, PIXELS // (images.shape[1] * images.shape[2]))
    for batch in torch.split(images, at_once):
        yield network.normalise(batch.to(device))
