"""The input scaling, fitted on the training split alone; it travels inside the network and so in the bundle."""

from __future__ import annotations

import numpy as np

from eyas.core.errors import ConfigError
from eyas.core.scalings import scaling_of
from eyas.core.schema import Normalize, Scaling
from eyas.data import Split

BYTES = 16 << 20  # of images at a time


def fit_scaling(split: Split, kind: Normalize) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel over all pixels of the split.

    Computed from a histogram of the 256 values, so it is exact and needs one pass.

    Args:
        kind: `standard`; or a fixed one, which no image changes.

    Returns:
        C means and C deviations on [0, 1]. A channel that never varies gets deviation 1.

    Raises:
        ConfigError: fixed figures of another number of channels.
    """
    channels = split.images.shape[-1]
    if kind != "standard":
        return _fixed(kind, channels)
    counts = np.zeros((channels, 256), np.int64)
    rows = max(1, BYTES // split.images[0].nbytes)
    for start in range(0, len(split), rows):
        images = split.take(slice(start, start + rows))
        for channel in range(channels):
            counts[channel] += np.bincount(images[..., channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    std = np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))
    return mean.tolist(), np.where(std > 0, std, 1.0).tolist()


def _fixed(kind: Normalize, channels: int) -> tuple[list[float], list[float]]:
    if not isinstance(kind, Scaling):
        mean, std = scaling_of(kind, channels)
        return list(mean), list(std)
    if not len(kind.mean) == len(kind.std) == channels:
        raise ConfigError(
            f"data.normalize must have a mean and a std for each of {channels} channels, got {len(kind.mean)} and "
            f"{len(kind.std)}"
        )
    return list(kind.mean), list(kind.std)
