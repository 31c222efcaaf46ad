"""The second, stricter look at a pair: aligned to each other, do they agree in what images seldom share?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eyas.data.near.canonical import SIDE, Floats, blur, luminance
from eyas.data.near.embedding import Whitening
from eyas.data.near.search import Ints

REACH = 3
"""Pixels of 32 by which one image may be shifted against the other."""
CENTRE = slice(8, 24)
"""What is left where frames, round plates and white margins agree anyway."""
EDGE = 12.0
"""Grey levels between neighbours from which they count as texture."""
# Squared grey levels times pixels, added to energies: two flat areas agree in nothing.
FLAT_IMAGE, FLAT_CENTRE = 1000.0, 2000.0


class Verifier:
    """Four figures of a pair, weighed.

    * apart: how much nearer the two are to each other than to images that are no copies (`search.candidates`);

    * cosine: of the whitened 16×16 colours after alignment;
    * detail: normalised cross-correlation of the centres' fine luminance, one more pixel of shift allowed;
    * texture: the share of textured pixels in the plainer of the two. A product on white agrees with another more
      easily than a meadow with another meadow.

    The weights are a logistic regression on 250 pairs from CIFAR-100 (test against training images, most of them near
    the border) judged by eye: the same photograph, whatever was done to it, or another one.
    """

    WEIGHTS = (-2.8, 11.7, 5.0, 9.8)
    BIAS = -14.0

    def __init__(self, pixels: NDArray[np.uint8], whitening: Whitening) -> None:
        self._pixels, self._whitening = pixels, whitening

    def __call__(self, first: Ints, second: Ints, mirror: NDArray[np.bool_], apart: Floats) -> Floats:
        """(p,) the probability that rows `first` and `second`, mirrored where `mirror`, are one photograph."""
        figures = (apart, *self.figures(first, second, mirror))
        logit = self.BIAS + sum(weight * figure for weight, figure in zip(self.WEIGHTS, figures, strict=True))
        probability: Floats = (1 / (1 + np.exp(-logit))).astype(np.float32)
        return probability

    def figures(self, first: Ints, second: Ints, mirror: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
        """(p,) each: cosine, detail and texture."""
        here, there = self._pixels[first], _turned(self._pixels[second], mirror)
        grey, other = luminance(here), luminance(there)
        texture = np.minimum(_texture(grey), _texture(other))
        there = _moved(there, _best_shift(_broad(grey), _broad(other)))
        cosine = np.einsum("nd,nd->n", self._whitening(here), self._whitening(there))
        moved = luminance(there)
        return cosine, _detail(grey - blur(grey, 2), moved - blur(moved, 2)), texture


def _broad(grey: Floats) -> Floats:
    """The band of details that survive a shift by a pixel."""
    return blur(grey, 1) - blur(grey, 4)


def _turned(images: NDArray[np.uint8], mirror: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Those of (n, 32, 32, C) that `mirror` says, left to right."""
    turned = images.copy()
    turned[mirror] = images[mirror][:, :, ::-1]
    return turned


def _best_shift(here: Floats, there: Floats) -> Ints:
    """(n, 2) rows and columns by which `there` moves to agree best with `here`, by correlation of their overlap."""
    best = np.full(len(here), -np.inf, np.float32)
    shift = np.zeros((len(here), 2), np.int64)
    for down in range(-REACH, REACH + 1):
        for right in range(-REACH, REACH + 1):
            a = here[:, max(down, 0) : SIDE + min(down, 0), max(right, 0) : SIDE + min(right, 0)]
            b = there[:, max(-down, 0) : SIDE + min(-down, 0), max(-right, 0) : SIDE + min(-right, 0)]
            value = _correlation(a, b, FLAT_IMAGE)
            better = value > best
            best[better] = value[better]
            shift[better] = down, right
    return shift


def _moved(images: NDArray[np.uint8], shift: Ints) -> NDArray[np.uint8]:
    """(n, 32, 32, C) moved by (n, 2) pixels, edges repeated."""
    line = np.arange(SIDE)
    rows = np.clip(line - shift[:, :1], 0, SIDE - 1)[:, :, None]
    columns = np.clip(line - shift[:, 1:], 0, SIDE - 1)[:, None, :]
    moved: NDArray[np.uint8] = images[np.arange(len(images))[:, None, None], rows, columns]
    return moved


def _detail(here: Floats, there: Floats) -> Floats:
    """(n,) the best correlation of the centres over one pixel of shift."""
    centre = here[:, CENTRE, CENTRE]
    steps = (-1, 0, 1)
    values = [
        _correlation(centre, there[:, CENTRE.start + y : CENTRE.stop + y, CENTRE.start + x : CENTRE.stop + x])
        for y in steps
        for x in steps
    ]
    best: Floats = np.max(values, axis=0)
    return best


def _correlation(a: Floats, b: Floats, flat: float = FLAT_CENTRE) -> Floats:
    """(n,) Σab / sqrt((Σa² + flat) (Σb² + flat)); a and b are band-passed, their means about 0."""
    product, left, right = (np.einsum("nij,nij->n", x, y) for x, y in ((a, b), (a, a), (b, b)))
    value: Floats = product / np.sqrt((left + flat) * (right + flat))
    return value


def _texture(grey: Floats) -> Floats:
    """(n,) share of pixels that differ from their right and lower neighbours by more than `EDGE` together."""
    down = np.abs(np.diff(grey, axis=1))[:, :, :-1]
    right = np.abs(np.diff(grey, axis=2))[:, :-1]
    share: Floats = (down + right > EDGE).mean(axis=(1, 2), dtype=np.float32)
    return share
