"""Images as whitened vectors: brightness and contrast taken out, and what most images share made small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eyas.data.near.canonical import SIDE, Floats

# A fainter image than this (grey levels of deviation) is mostly its own noise.
FAINT = 8.0
# Of the mean variance of the kept directions: without it the last of them would be noise made large.
FLOOR = 0.02
# Whitened by few images, each would be set apart from every other, its copies too: they are varied to more.
FEW = 2000
# Enough images to know a covariance of 768 × 768.
MOST_FITTED = 20_000


def thumbnails(pixels: NDArray[np.uint8], grid: int) -> Floats:
    """(n, 32, 32, C) to (n, grid² C) mean colours, each row of mean 0 and deviation about 1."""
    count, channels, step = len(pixels), pixels.shape[-1], SIDE // grid
    cells = pixels.reshape(count, grid, step, grid, step, channels)
    rows = cells.mean(axis=(2, 4), dtype=np.float32).reshape(count, -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    scaled: Floats = rows / (rows.std(axis=1, keepdims=True) + np.float32(FAINT))
    return scaled


@dataclass(frozen=True)
class Whitening:
    """e = (x - μ) U / sqrt(λ + floor), then |e| = 1, where U, λ are the first eigenvectors of the covariance of x.

    Source: Jégou & Chum, "Negative evidences and co-occurrences in image retrieval: the benefit of PCA and whitening",
    ECCV 2012.
    """

    grid: int
    mean: Floats
    """(grid² C,)"""
    basis: Floats
    """(grid² C, d)"""

    @classmethod
    def fit(cls, pixels: NDArray[np.uint8], grid: int, dimensions: int) -> Whitening:
        """Of (n, 32, 32, C) images, n ≥ 1; fewer dimensions where the images have no more."""
        if len(pixels) < FEW:
            pixels = _varied(pixels)
        rows = thumbnails(pixels[:: -(-len(pixels) // MOST_FITTED)], grid)
        mean = rows.mean(axis=0)
        centred = rows - mean
        values, vectors = np.linalg.eigh(centred.T @ centred / np.float32(len(rows)))
        values, vectors = values[::-1][:dimensions], vectors[:, ::-1][:, :dimensions]
        scale = np.sqrt(np.clip(values, 0, None) + FLOOR * max(float(values.mean()), 1e-6))
        return cls(grid, mean, (vectors / scale).astype(np.float32))

    def __call__(self, pixels: NDArray[np.uint8]) -> Floats:
        """(n, 32, 32, C) to (n, d) of length 1."""
        vectors = (thumbnails(pixels, self.grid) - self.mean) @ self.basis
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Floats = vectors / np.maximum(lengths, np.float32(1e-6))
        return unit


def _varied(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(18 n, 32, 32, C): each image and its mirror image, moved by 3 pixels to all sides."""
    both = np.concatenate([pixels, pixels[:, :, ::-1]])
    padded = np.pad(both, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="edge")
    steps = (0, 3, 6)
    return np.concatenate([padded[:, y : y + SIDE, x : x + SIDE] for y in steps for x in steps])


def has_content(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(n,) False for images of one colour: any two of them would be the same."""
    content: NDArray[np.bool_] = pixels.reshape(len(pixels), -1).std(axis=1, dtype=np.float32) >= 1.0
    return content
