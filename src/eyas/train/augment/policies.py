"""RandAugment and TrivialAugment: random operations for each image, each run once on all the images that drew it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eyas.core.schema import AugmentConfig
from eyas.train.augment import photometric
from eyas.train.augment.draws import send
from eyas.train.augment.geometry import affine, matrices

Kernel = Callable[[Tensor, Tensor], Tensor]
OPERATIONS = np.array(
    [
        *("identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate"),
        *("brightness", "color", "contrast", "sharpness"),
        *("posterize", "solarize", "autocontrast", "equalize"),
    ]
)
GEOMETRIC = np.arange(1, 6)
ENHANCING = np.arange(6, 10)
SIGNED = np.arange(1, 10)
BINS = 31


def draw_policy(
    config: AugmentConfig, shape: tuple[int, int, int], n: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The operations of each image and how strong they are.

    Returns:
        (k, n) indices of `OPERATIONS`, and (k, n) strengths: a slope, pixels, degrees, the factor of an enhancement,
        bits or a threshold.

    Source: Cubuk, Zoph, Shlens & Le 2020 (RandAugment); Müller & Hutter 2021 (TrivialAugment, its wide space); the
    operations' ranges are torchvision's.
    """
    trivial = config.policy == "trivialaugment"
    table = (_wide_strengths if trivial else _strengths)(*shape[:2])
    drawn = (1 if trivial else config.policy_ops, n)
    operations = rng.integers(0, len(OPERATIONS), drawn)
    bins = rng.integers(0, BINS, drawn) if trivial else np.full(drawn, config.policy_magnitude)
    strengths = table[operations, bins]
    strengths *= np.where(np.isin(operations, SIGNED), rng.choice([-1.0, 1.0], drawn), 1.0)
    return operations, strengths + np.isin(operations, ENHANCING)


def run_operations(images: Tensor, operations: NDArray[np.int64], strengths: NDArray[np.float64]) -> Tensor:
    """One operation on each image: the batch is sorted by operation, each runs once, and the order is restored.

    Args:
        images: (n, H, W, C) uint8.
        operations: (n,) indices of `OPERATIONS`.
        strengths: (n,) as `draw_policy` gives them.

    Returns:
        (n, H, W, C) uint8.
    """
    order = np.argsort(operations, kind="stable")
    maps = matrices(OPERATIONS[operations], strengths, images.shape[1], images.shape[2])[:, order]
    order_there, back, *maps_there = send(images.device, order, np.argsort(order), *maps)
    (strengths_there,) = send(images.device, strengths[order].astype(np.float32))
    batch = images.index_select(0, order_there)
    edges = np.searchsorted(operations[order], np.arange(len(OPERATIONS) + 1))
    parts = [batch[: edges[1]]]
    shift = slice(edges[GEOMETRIC[0]], edges[GEOMETRIC[-1] + 1])
    parts.append(affine(batch[shift], tuple(each[shift] for each in maps_there)))
    for operation in range(GEOMETRIC[-1] + 1, len(OPERATIONS)):
        group = slice(edges[operation], edges[operation + 1])
        if group.start < group.stop:
            parts.append(KERNELS[str(OPERATIONS[operation])](batch[group], strengths_there[group]))
    return torch.cat(parts).index_select(0, back)


def color_jitter(images: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Brightness, contrast and saturation, in this order, by factors from [1 - s, 1 + s]; (n, H, W, C) uint8."""
    factors = rng.uniform(1 - strength, 1 + strength, (3, len(images))).astype(np.float32)
    bright, contrasted, saturated = send(images.device, *factors)
    batch = photometric.brightness(images.float(), bright).clamp_(0, 255)
    batch = photometric.contrast(batch, contrasted).clamp_(0, 255)
    return photometric.to_bytes(photometric.color(batch, saturated))


def _strengths(height: int, width: int) -> NDArray[np.float64]:
    """(14, 31) RandAugment's, from the weakest to the strongest."""
    return _table(shear=0.3, right=150 / 331 * width, down=150 / 331 * height, degrees=30, enhance=0.9, bits=4)


def _wide_strengths(height: int, width: int) -> NDArray[np.float64]:
    """(14, 31) TrivialAugment's wide ones; its 32 pixels are at most the image's side."""
    return _table(shear=0.99, right=min(32, width), down=min(32, height), degrees=135, enhance=0.99, bits=6)


def _table(
    *, shear: float, right: float, down: float, degrees: float, enhance: float, bits: int
) -> NDArray[np.float64]:
    """Each operation's strength in even steps up to the given one; in the order of `OPERATIONS`."""
    share = np.linspace(0, 1, BINS)
    nothing = np.zeros(BINS)
    enhancements = [share * enhance] * len(ENHANCING)
    shears = [share * shear] * 2
    shifts = [np.rint(share * right), np.rint(share * down)]
    last = [8 - np.rint(share * bits), 255 * (1 - share), nothing, nothing]
    return np.stack([nothing, *shears, *shifts, share * degrees, *enhancements, *last])


def _enhance(function: Kernel) -> Kernel:
    """The float function on bytes."""
    return lambda images, factor: photometric.to_bytes(function(images.float(), factor))


KERNELS: dict[str, Kernel] = {
    "brightness": _enhance(photometric.brightness),
    "color": _enhance(photometric.color),
    "contrast": _enhance(photometric.contrast),
    "sharpness": _enhance(photometric.sharpness),
    "posterize": photometric.posterize,
    "solarize": photometric.solarize,
    "autocontrast": lambda images, _: photometric.autocontrast(images),
    "equalize": lambda images, _: photometric.equalize(images),
}
