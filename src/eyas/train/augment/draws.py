"""The random numbers of a batch: a handful for each image, drawn on the CPU and sent as one small tensor."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Keeps these streams apart from others of the same seed, such as the order of the images: SeedSequence pads with
# zeros, so that without it [seed, epoch, 0, 0] would be the stream of [seed, epoch].
STREAM = 0xA06


def batch_generator(seed: int, epoch: int, step: int, rank: int) -> np.random.Generator:
    """The generator of one batch; torch's global one is never touched."""
    return np.random.default_rng([seed, epoch, step, rank, STREAM])


def draw_pixels(rng: np.random.Generator, n: int, height: int, width: int) -> NDArray[np.int64]:
    """(2, n) row and column of a pixel in each image, all alike.

    By floats: `integers` with bounds of their own for rows and columns takes three times as long.
    """
    return (rng.random((2, n)) * [[height], [width]]).astype(np.int64)


def fair_coin(rows: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """A coin for each row of the dataset, the same in every epoch, with as many heads as tails.

    Rows 2k and 2k + 1 always differ; a hash of k and the seed (SplitMix64) decides which of them is heads. So of the
    rows 0 to N - 1 exactly half are heads, or half and one where N is odd.

    Args:
        rows: (n,) int64, not negative.

    Returns:
        (n,) bool.

    Source: the mixing function of Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators".
    """
    z = (rows >> 1).astype(np.uint64) + np.uint64((seed * 0x9E3779B97F4A7C15) % (1 << 64))
    z += np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    heads = ((z >> np.uint64(40)) ^ rows.astype(np.uint64)) & np.uint64(1)
    return heads.astype(np.bool_)


def send(device: torch.device, *arrays: NDArray[np.int64] | NDArray[np.float32]) -> tuple[Tensor, ...]:
    """Equally long arrays of one dtype as tensors on the device: one copy, which the CPU does not wait for."""
    return torch.from_numpy(np.stack(arrays)).to(device, non_blocking=True).unbind(0)
