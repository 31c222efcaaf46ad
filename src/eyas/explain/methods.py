"""The methods: each gives a map (H, W) float32, positive where a part speaks for the class.

occlusion  a window that hides what is under it (Zeiler & Fergus 2014, *Visualizing and Understanding Convolutional
           Networks*, section 4.2)
rise       random soft masks, weighted by the answers (Petsiuk, Das & Saenko 2018, *RISE*, eq. 6)
lime       a linear model of which cells are shown (Ribeiro, Singh & Guestrin 2016, *"Why Should I Trust You?"*)
shap       the cells' Shapley values by random orders, each beside its reverse (Mitchell, Cooper, Frank & Holmes 2022,
           *Sampling Permutations for Shapley Value Estimation*): they add up to what the image has over an empty one
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eyas.explain.asking import AT_ONCE, Asker, Floats, Pixels
from eyas.explain.regions import Cells, hidden

Map = NDArray[np.float32]
WINDOW = 4  # times smaller than the shorter side; it moves by half of itself
KEPT = 0.5  # share of a soft mask that is left
MASK_CELLS = 7
NEARNESS = 0.25  # width of LIME's kernel, of a distance in [0, 1]
RIDGE = 1.0


def occlusion(image: Pixels, ask: Asker, rng: np.random.Generator) -> Map:
    """By how much the answer falls where a window hides a pixel, the mean over the windows on it."""
    height, width = image.shape[:2]
    side = max(1, min(height, width) // WINDOW)
    step = max(1, side // 2)
    corners = [(top, left) for top in _starts(height, side, step) for left in _starts(width, side, step)]
    whole = ask(image[None])[0]
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for at in range(0, len(corners), AT_ONCE):
        if at and not ask.may_ask:
            break
        kept = np.ones((len(corners[at : at + AT_ONCE]), height, width), np.bool_)
        for row, (top, left) in enumerate(corners[at : at + AT_ONCE]):
            kept[row, top : top + side, left : left + side] = False
        falls = whole - ask(hidden(image, kept))
        total += np.einsum("n,nhw->hw", falls, ~kept)
        count += (~kept).sum(axis=0)
    return (total / np.maximum(count, 1)).astype(np.float32)


def rise(image: Pixels, ask: Asker, rng: np.random.Generator) -> Map:
    """How much more probable the class is where a pixel is shown than on average."""
    height, width = image.shape[:2]
    total, weight, answers, count = np.zeros((height, width)), np.zeros((height, width)), 0.0, 0
    while not count or ask.may_ask:
        masks = np.stack([_soft_mask(height, width, rng) for _ in range(AT_ONCE)])
        found = ask(hidden(image, masks))
        total += np.einsum("n,nhw->hw", found, masks)
        weight += masks.sum(axis=0)
        answers += found.sum()
        count += len(masks)
    return (total / np.maximum(weight, 1e-9) - answers / count).astype(np.float32)


def lime(image: Pixels, ask: Asker, rng: np.random.Generator) -> Map:
    """The coefficients of a ridge regression on which cells are shown, those near to the whole image weighing more."""
    cells = Cells.of(image)
    shown = [np.ones((1, cells.count), np.bool_)]
    answers = [ask(image[None])]
    while len(shown) == 1 or ask.may_ask:
        kept = rng.random((AT_ONCE, cells.count)) < rng.random((AT_ONCE, 1))
        shown.append(kept)
        answers.append(ask(cells.shown(kept)))
    x, y = np.concatenate(shown).astype(np.float64), np.concatenate(answers)
    distance = 1 - np.sqrt(x.mean(axis=1))  # 1 - the cosine to the whole image
    weights = np.exp(-((distance / NEARNESS) ** 2))
    x -= np.average(x, axis=0, weights=weights)
    y -= np.average(y, weights=weights)
    gram = (weights[:, None] * x).T @ x + RIDGE * np.eye(cells.count)
    return cells.spread(np.linalg.solve(gram, (weights[:, None] * x).T @ y))


def shap(image: Pixels, ask: Asker, rng: np.random.Generator) -> Map:
    """The cells' Shapley values: the mean of what each adds as the cells appear in random orders.

    The values of all cells add up to the answer for the image less that for an image without any, to rounding.
    """
    cells = Cells.of(image)
    total, orders = np.zeros(cells.count), 0
    while not orders or ask.may_ask:
        order = rng.permutation(cells.count)
        for one in (order, order[::-1]):
            if orders and not ask.may_ask:
                break
            total += _gains(cells, ask, one)
            orders += 1
    return cells.spread(total / orders)


def _gains(cells: Cells, ask: Asker, order: NDArray[np.int64]) -> Floats:
    """(M,) what each cell adds to the answer as they appear in this order."""
    place = np.empty(cells.count, np.int64)
    place[order] = np.arange(cells.count)
    shown = np.arange(cells.count + 1)[:, None] > place
    gains = np.empty(cells.count)
    gains[order] = np.diff(ask(cells.shown(shown)))
    return gains


def _starts(length: int, side: int, step: int) -> list[int]:
    return sorted({*range(0, length - side, step), length - side})


def _soft_mask(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A coarse grid of cells kept or not, enlarged bilinearly and moved at random by less than a cell."""
    grid = (rng.random((MASK_CELLS + 1, MASK_CELLS + 1)) < KEPT).astype(np.float32)
    down = (np.arange(height) + rng.random()) * MASK_CELLS / (height + 1)
    across = (np.arange(width) + rng.random()) * MASK_CELLS / (width + 1)
    top, left = down.astype(int), across.astype(int)
    v, h = (down - top)[:, None], (across - left)[None, :]
    upper = grid[top][:, left] * (1 - h) + grid[top][:, left + 1] * h
    lower = grid[top + 1][:, left] * (1 - h) + grid[top + 1][:, left + 1] * h
    mask: NDArray[np.float32] = ((1 - v) * upper + v * lower).astype(np.float32)
    return mask
