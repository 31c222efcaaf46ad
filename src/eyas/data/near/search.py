"""All pairs of unit vectors with a cosine above a threshold, block by block: memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from eyas.data.near.canonical import Floats

BLOCK = 2048
# Beyond this many candidates an image is one of a film or a grid of swatches: its nearest are enough to find it.
NEIGHBOURS = 64

Ints = NDArray[np.int64]


def usual(vectors: Floats, mirrored: Floats) -> Floats:
    """(n,) how alike an image is to others that are no copies: about the cosine of its 64th nearest.

    It is the second highest of the cosines with one image in 32, drawn by chance: the highest may be that of a copy.
    """
    count = len(vectors)
    chosen = np.random.default_rng(0).choice(count, max(count // 32, min(count, 32)), replace=False)
    level = np.empty(count, np.float32)
    for start in range(0, count, BLOCK):
        part = slice(start, start + BLOCK)
        similar = np.maximum(vectors[part] @ vectors[chosen].T, mirrored[part] @ vectors[chosen].T)
        similar[np.arange(count)[part, None] == chosen] = -1  # itself
        level[part] = np.partition(similar, -2, axis=1)[:, -2]
    return level


def candidates(
    vectors: Floats, mirrored: Floats, level: Floats, cosine: float, ratio: float
) -> tuple[Ints, Ints, NDArray[np.bool_], Floats]:
    """Pairs i < j that are alike, and far more so than either is to other images.

    With s = vectors_i · vectors_j, or vectors_i · mirrored_j, these are s > cosine and
    r = (1 - s) / (1 - max(level_i, level_j)) < ratio. (After Lowe, IJCV 2004, §7.1: the nearest against the next.)

    Args:
        vectors: (n, d) of length 1.
        mirrored: (n, d) those of the mirror images.
        level: (n,) of `usual`.
        cosine: least s.
        ratio: r stays below it.

    Returns:
        (p,) i, (p,) j, (p,) whether j is to be mirrored, (p,) r; the `NEIGHBOURS` nearest j of each i at most.
    """
    first, second, flag, value = (
        np.concatenate(part)
        for part in zip(
            *_blocks(vectors, vectors, level, cosine, ratio, mirror=False),
            *_blocks(vectors, mirrored, level, cosine, ratio, mirror=True),
            strict=True,
        )
    )
    return first, second, flag, value


def _blocks(
    vectors: Floats, others: Floats, level: Floats, cosine: float, ratio: float, *, mirror: bool
) -> Iterator[tuple[Ints, Ints, NDArray[np.bool_], Floats]]:
    least = np.maximum(cosine, 1 - ratio * (1 - level))
    for start in range(0, len(vectors), BLOCK):
        block, floor = vectors[start : start + BLOCK], least[start : start + BLOCK, None]
        kept: list[tuple[Ints, Ints, Floats]] = []
        for begin in range(start, len(others), 4 * BLOCK):  # i < j: nothing to the left of the block
            similar = block @ others[begin : begin + 4 * BLOCK].T
            row, column = np.divmod(np.flatnonzero(similar > floor), similar.shape[1])
            value = similar[row, column]
            right = (column + begin > row + start) & (value > least[column + begin])
            kept.append((row[right] + start, column[right] + begin, value[right]))
        first, second, value = (np.concatenate(part) for part in zip(*kept, strict=True))
        nearest = _nearest(first, value)
        first, second, value = first[nearest], second[nearest], value[nearest]
        apart = (1 - value) / (1 - np.minimum(np.maximum(level[first], level[second]), np.float32(1 - 1e-6)))
        yield first, second, np.full(len(nearest), mirror), apart


def _nearest(first: Ints, value: Floats) -> Ints:
    """Positions of each row's `NEIGHBOURS` highest values."""
    order = np.lexsort((-value, first))
    ordered = first[order]
    rank = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    chosen: Ints = order[rank < NEIGHBOURS]
    return chosen
