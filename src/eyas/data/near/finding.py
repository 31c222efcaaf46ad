"""From images to pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eyas.core import console
from eyas.data.near.canonical import canonical
from eyas.data.near.embedding import Whitening, has_content
from eyas.data.near.pairs import NearPairs, no_pairs
from eyas.data.near.search import candidates, usual
from eyas.data.near.verify import Verifier

SMALLEST = 20
"""Pixels a side: below, two drawings of one digit differ no more than two copies of one of them do."""
COARSE, FINE = (8, 96), (16, 256)
"""Grid and dimensions of the first and of the second look."""
LIKELY, APART = 0.6, 0.75
"""Cosine above which, and ratio to what is usual below which, a pair gets the second look."""
SURE, SURE_GREY = 0.7, 0.995
"""Probability from which a pair of coloured, of grey images is reported. On CIFAR-100 582 test images (5.8 %) nearly
stand in the rest. By eye, 81 of 100 of them drawn by chance plainly show one photograph with their surest twin, 8 are
in doubt, and 11 show another thing of one make: clocks, sunflowers, bottles. Grey images are alike with less: of 20
pairs of Fashion-MNIST above 0.99 all seemed one garment or its twin in another colour; between 0.95 and 0.99 many are
two garments of one cut."""
AT_ONCE = 1000


def near_pairs(images: NDArray[np.uint8], digests: NDArray[np.uint8]) -> NearPairs:
    """Find the pairs of near-duplicates.

    Args:
        images: (M, H, W, C) uint8, C = 1 or 3.
        digests: (M, 32) of each image's pixels: of equal ones, the first stands for all.

    Returns:
        Pairs of rows; none where the images have fewer than `SMALLEST` pixels a side.
    """
    if min(images.shape[1:3]) < SMALLEST or not len(images):
        return no_pairs()
    unique, group = np.unique(
        np.ascontiguousarray(digests).view("V32").ravel(), return_index=True, return_inverse=True
    )[1:]
    rows = np.sort(unique).astype(np.int64)
    pixels = np.concatenate([canonical(np.asarray(images)[part]) for part in _parts(rows)])
    content = np.concatenate([has_content(pixels[part]) for part in _parts(np.arange(len(rows)))])
    rows, pixels = rows[content], pixels[content]
    if len(rows) < 2:
        return no_pairs()
    coarse = Whitening.fit(pixels, *COARSE)
    parts = _parts(np.arange(len(rows)))
    vectors = np.concatenate([coarse(pixels[part]) for part in parts])
    turned = np.concatenate([coarse(pixels[part][:, :, ::-1]) for part in parts])
    first, second, mirrored, apart = candidates(vectors, turned, usual(vectors, turned), LIKELY, APART)
    verifier = Verifier(pixels, Whitening.fit(pixels, *FINE))
    score = np.empty(len(first), np.float32)
    with console.progress(transient=True) as bar:
        task = bar.add_task("comparing pairs", total=len(first), status="")
        for part in _parts(np.arange(len(first))):
            score[part] = verifier(first[part], second[part], mirrored[part], apart[part])
            bar.advance(task, len(part))
    sure = SURE_GREY if pixels.shape[-1] == 1 else SURE
    return _with_copies(_surest(rows[first], rows[second], mirrored, score, sure), group)


def _surest(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    mirrored: NDArray[np.bool_],
    score: NDArray[np.float32],
    sure: float,
) -> NearPairs:
    """The sure pairs, each once (mirrored or not, whichever agrees better), surest first."""
    order = np.lexsort((second, first, -score))
    order = order[score[order] > sure]
    pairs = np.stack([first[order], second[order]], axis=1)
    once = order[np.sort(np.unique(pairs, axis=0, return_index=True)[1])]
    return NearPairs(first[once], second[once], mirrored[once], score[once])


def _with_copies(pairs: NearPairs, group: NDArray[np.int64]) -> NearPairs:
    """The pairs of all rows with these pixels: a copy may stand in another split than the first of its kind.

    Args:
        pairs: of the first row of each kind.
        group: (M,) a number for each row, the same for equal pixels.
    """
    if len(np.unique(group)) == len(group):
        return pairs
    order = np.argsort(group, kind="stable")
    ends = np.searchsorted(group[order], [np.arange(group.max() + 1), np.arange(1, group.max() + 2)])
    whole = [
        (min(one, other), max(one, other), at)
        for at, (first, second) in enumerate(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
        for one in order[slice(*ends[:, group[first]])].tolist()
        for other in order[slice(*ends[:, group[second]])].tolist()
    ]
    first, second, at = np.array(whole, np.int64).reshape(-1, 3).T
    return NearPairs(first, second, pairs.mirrored[at], pairs.score[at])


def _parts(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)]
